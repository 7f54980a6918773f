#include "register.h"

#include "gil.h"
#include "mtcnn/kernels/dispatch.h"
#include "mtcnn/system_limits.h"

namespace bindings {

void register_build_info(py::module_& m) {
    m.def(
        "isa_variants",
        [] {
            py::list list;
            for (const mtcnn::Kernels* k : mtcnn::kernel_variants()) {
                list.append(py::dict(py::arg("name") = k->name, py::arg("description") = k->description,
                                     py::arg("supported") = k->supported()));
            }
            return list;
        },
        "Every variant of the kernels in this build, from the slowest to the fastest.");
    m.def(
        "active_isa", [] { return std::string(mtcnn::select_kernels().name); },
        "The variant a new detector uses: the one MTCNN_CPP_ISA names, or the fastest one.");
    m.def(
        "build_info",
        [] {
            return py::dict(py::arg("version") = MTCNN_CPP_VERSION, py::arg("compiler") = MTCNN_CPP_COMPILER,
                            py::arg("flags") = MTCNN_CPP_FLAGS);
        },
        "Version, compiler and flags of this build.");
    m.def(
        "usable_cpus", [] { return mtcnn::usable_cpus(); },
        "The CPUs in this process's affinity mask, or fewer if the quota of a control group allows less; at least 1.");
    m.def(
        "run_multiply_adds",
        [](std::int64_t steps, const std::string& isa) {
            const mtcnn::Kernels& kernels = mtcnn::select_kernels(isa);
            const GilReleased unlocked;
            return kernels.run_multiply_adds(steps);
        },
        py::arg("steps"), py::arg("isa") = "",
        "Runs fused multiply-adds on registers and returns the number of floating-point operations.");
}

}  // namespace bindings
