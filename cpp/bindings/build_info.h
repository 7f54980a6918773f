// What this build is and can.
#pragma once

#include "array_view.h"

namespace bindings {

void register_build_info(py::module_& m);

}  // namespace bindings
