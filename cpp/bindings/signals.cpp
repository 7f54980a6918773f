#include "signals.h"
#include "python_lock.h"

namespace bindings {
namespace {

bool is_main_thread() {
    const py::object main = py::module_::import("threading").attr("main_thread")();
    return main.attr("ident").cast<unsigned long>() == PyThread_get_thread_ident();
}

}  // namespace

std::function<void()> signal_poll() {
    return [asked = false, on_main_thread = true]() mutable {
        if (!on_main_thread) return;
        const Locked lock;
        // Asked at the first call only: most detections are over before.
        if (!asked) on_main_thread = is_main_thread();
        asked = true;
        if (on_main_thread && PyErr_CheckSignals() != 0) throw py::error_already_set();
    };
}

void register_stop(py::module_& m) {
    py::class_<mtcnn::Stop>(m, "Stop", "A wish to stop that detections on any thread hear; it cannot be taken back.")
        .def(py::init<>())
        .def("set", &mtcnn::Stop::set, "Every detection that was given this ends soon, by Stopped.")
        .def("is_set", &mtcnn::Stop::is_set);
    py::register_exception<mtcnn::Stopped>(m, "Stopped", PyExc_RuntimeError);
}

}  // namespace bindings
