#include "register.h"

// Interpreters share only the tables of kernels, which are constant. Each interpreter has its own classes and
// exceptions.
PYBIND11_MODULE(_core, m, py::mod_gil_not_used(), py::multiple_interpreters::per_interpreter_gil()) {
    m.doc() = "The C++ core of mtcnn_cpp. It does not convert arrays: an unsuitable array raises ValueError.";
    bindings::register_build_info(m);
    bindings::register_cancellation(m);
    bindings::register_detector(m);
    bindings::register_ffmpeg_log(m);
    py::module_ testing =
        m.def_submodule("_testing", "Single components of the core, under the names of the reference. For tests.");
    bindings::register_model(testing);
    bindings::register_resize(testing);
    bindings::register_layers(testing);
    bindings::register_boxes(testing);
}
