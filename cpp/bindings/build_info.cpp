#include "build_info.h"

#include "mtcnn/cpus.h"
#include "mtcnn/kernels/dispatch.h"
#include "python_lock.h"

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
        "Every variant of the kernels in this build, slowest first.");
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
        "burn",
        [](std::int64_t steps, const std::string& isa) {
            const mtcnn::Kernels& kernels = mtcnn::select_kernels(isa);
            const Unlocked unlocked;
            return kernels.burn(steps);
        },
        py::arg("steps"), py::arg("isa") = "",
        "Runs fused multiply-adds from registers and returns how many operations that were: the peak, when timed.");
}

}  // namespace bindings
