// Replacement of OpenFace's precompiled header, which includes dlib, Boost, TBB and OpenBLAS. It has what the two
// source files of the detector need.
#pragma once

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <opencv2/core/core.hpp>
#include <opencv2/imgproc.hpp>
#include <set>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

// Depending on its age, a checkout uses boost::filesystem, fs or std::filesystem.
namespace fs = std::filesystem;
namespace boost {
namespace filesystem = std::filesystem;
}

extern "C" void sgemm_(char* transpose_a, char* transpose_b, int* rows, int* columns, int* inner, float* alpha,
                       float* a, int* stride_a, float* b, int* stride_b, float* beta, float* c, int* stride_c);
