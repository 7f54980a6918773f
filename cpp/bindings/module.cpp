#include "boxes.h"
#include "build_info.h"
#include "detector.h"
#include "ffmpeg_log.h"
#include "layers.h"
#include "model.h"
#include "signals.h"

// Nothing that is shared between interpreters changes: the tables of kernels. Classes and exceptions belong to each.
PYBIND11_MODULE(_core, m, py::mod_gil_not_used(), py::multiple_interpreters::per_interpreter_gil()) {
    m.doc() = "The C++ core of mtcnn_cpp. Arrays are taken as they are: nothing is converted.";
    bindings::register_build_info(m);
    bindings::register_stop(m);
    bindings::register_detector(m);
    bindings::register_ffmpeg_log(m);
    py::module_ rooms =
        m.def_submodule("rooms", "The core's rooms one by one, under the names of the reference: for tests.");
    bindings::register_model(rooms);
    bindings::register_resize(rooms);
    bindings::register_layers(rooms);
    bindings::register_boxes(rooms);
}
