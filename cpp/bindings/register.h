// Functions that add classes and functions to the module `_core` and its submodule `_testing`.
#pragma once

#include "array_view.h"

namespace bindings {

void register_boxes(py::module_& m);
void register_build_info(py::module_& m);
void register_cancellation(py::module_& m);
void register_detector(py::module_& m);
void register_ffmpeg_log(py::module_& m);
void register_layers(py::module_& m);
void register_model(py::module_& m);
void register_resize(py::module_& m);

}  // namespace bindings
