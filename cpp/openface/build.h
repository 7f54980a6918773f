// Versions of the bound OpenFace library or source, of OpenCV and BLAS.
#pragma once

#include <pybind11/pybind11.h>

namespace openface {

// Throws ImportError if the loaded OpenCV differs from the one whose headers were used for the build.
void check_opencv();

pybind11::dict build_info();

}  // namespace openface
