// The .dat reader and writer.
#pragma once

#include "array_view.h"

namespace bindings {

void register_model(py::module_& m);

}  // namespace bindings
