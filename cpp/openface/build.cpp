#include "build.h"

#include <dlfcn.h>
#ifdef __linux__
#include <link.h>
#endif

#include <opencv2/core.hpp>
#include <opencv2/core/utility.hpp>
#include <string>

// Null if the BLAS of the original does not have them.
extern "C" {
void sgemm_() __attribute__((weak));  // NOLINT(readability-identifier-naming)
char* openblas_get_config() __attribute__((weak));
}

namespace py = pybind11;

namespace openface {
namespace {

// Path of the shared OpenFace library that was loaded.
std::string loaded_library() {
    std::string found = OPENFACE_LIBRARY;
#ifdef __linux__
    if (std::string(OPENFACE_KIND) == "shared") {
        dl_iterate_phdr(
            [](dl_phdr_info* info, std::size_t, void* result) {
                const std::string name = info->dlpi_name;
                if (name.find("LandmarkDetector") == std::string::npos) return 0;
                *static_cast<std::string*>(result) = name;
                return 1;
            },
            &found);
    }
#endif
    return found;
}

std::string blas() {
    if (std::string(OPENFACE_SUMS) == "ordered") return "none: products in order, built in";
    std::string found;
    if (openblas_get_config != nullptr) found = openblas_get_config();
    if (sgemm_ != nullptr) {
        Dl_info where;
        if (dladdr(reinterpret_cast<void*>(&sgemm_), &where) != 0 && where.dli_fname != nullptr) {
            found += (found.empty() ? "" : " in ") + std::string(where.dli_fname);
        }
    }
    return found.empty() ? "none found" : found;
}

}  // namespace

void check_opencv() {
    if (cv::getVersionMajor() == CV_VERSION_MAJOR && cv::getVersionMinor() == CV_VERSION_MINOR) return;
    throw py::import_error("mtcnn_cpp was bound to OpenFace with the headers of OpenCV " CV_VERSION
                           ", but the OpenCV that was loaded is " +
                           cv::getVersionString() + "; install mtcnn_cpp again");
}

py::dict build_info() {
    return py::dict(py::arg("library") = loaded_library(), py::arg("kind") = OPENFACE_KIND,
                    py::arg("sha256_at_build") = OPENFACE_SHA256, py::arg("version") = OPENFACE_VERSION,
                    py::arg("opencv") = cv::getVersionString(), py::arg("blas") = blas(),
                    py::arg("sums") = OPENFACE_SUMS, py::arg("model") = OPENFACE_MODEL);
}

}  // namespace openface
