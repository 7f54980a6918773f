// The detector.
#pragma once

#include "array_view.h"

namespace bindings {

void register_detector(py::module_& m);

}  // namespace bindings
