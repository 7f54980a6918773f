#include "boxes.h"
#include "build_info.h"
#include "detector.h"
#include "layers.h"
#include "model.h"
#include "mtcnn/error.h"

PYBIND11_MODULE(_core, m, py::mod_gil_not_used()) {
    m.doc() = "The C++ core of mtcnn_cpp. Arrays are taken as they are: nothing is converted.";
    // pybind11 passes the pointer by value.
    // NOLINTNEXTLINE(performance-unnecessary-value-param)
    py::register_exception_translator([](std::exception_ptr p) {
        try {
            if (p) std::rethrow_exception(p);
        } catch (const mtcnn::FileNotFound& e) {
            py::set_error(PyExc_FileNotFoundError, e.what());
        }
    });
    bindings::register_build_info(m);
    bindings::register_model(m);
    bindings::register_resize(m);
    bindings::register_layers(m);
    bindings::register_boxes(m);
    bindings::register_detector(m);
}
