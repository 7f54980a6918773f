// What was bound: the library or the source, OpenCV, BLAS.
#pragma once

#include <pybind11/pybind11.h>

namespace openface {

// Throws ImportError where the OpenCV that was loaded is not the one whose headers this was built with.
void check_opencv();

pybind11::dict build_info();

}  // namespace openface
