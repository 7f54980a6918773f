// Suppression, offsets, squares, resampling: rooms that tests enter.
#pragma once

#include "array_view.h"

namespace bindings {

void register_boxes(py::module_& m);
void register_resize(py::module_& m);

}  // namespace bindings
