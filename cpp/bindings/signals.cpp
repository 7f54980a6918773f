#include "signals.h"
#include "gil.h"
#include "register.h"

namespace bindings {
namespace {

bool is_main_thread() {
    const py::object main = py::module_::import("threading").attr("main_thread")();
    return main.attr("ident").cast<unsigned long>() == PyThread_get_thread_ident();
}

}  // namespace

std::function<void()> signal_poll() {
    return [is_known = false, on_main_thread = true]() mutable {
        if (!on_main_thread) return;
        const GilHeld lock;
        // Find the thread at the first call, not before: most detections end without a call.
        if (!is_known) on_main_thread = is_main_thread();
        is_known = true;
        if (on_main_thread && PyErr_CheckSignals() != 0) throw py::error_already_set();
    };
}

void register_cancellation(py::module_& m) {
    py::class_<mtcnn::CancellationSource>(m, "CancellationSource",
                                          "Cancels detections on any thread. It cannot be reset.")
        .def(py::init<>())
        .def("set", &mtcnn::CancellationSource::set,
             "Cancels every detection that got this object: it raises Cancelled soon.")
        .def("is_set", &mtcnn::CancellationSource::is_set);
    py::register_exception<mtcnn::Cancelled>(m, "Cancelled", PyExc_RuntimeError);
}

}  // namespace bindings
