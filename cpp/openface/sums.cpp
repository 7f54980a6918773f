#include "sums.h"

#include <pybind11/pybind11.h>

#include <opencv2/core.hpp>
#include <string>

namespace openface {

void check_sums() {
    if (std::string(OPENFACE_SUMS) != "ordered") return;
    // Between two products of 2^60 that cancel, small ones are rounded to multiples of 256. Any other order of the sum,
    // also in double, gives other results.
    constexpr int kSide = 100;
    constexpr float kLarge = 1 << 30;
    cv::Mat_<float> a(kSide, kSide);
    cv::Mat_<float> b(kSide, kSide);
    unsigned drawn = 1;
    for (cv::Mat_<float>* matrix : {&a, &b}) {
        for (float& value : *matrix) {
            drawn = drawn * 1664525U + 1013904223U;
            value = static_cast<float>(static_cast<int>(drawn >> 24 & 31U) - 15);
        }
    }
    a.col(0) = kLarge;
    a.col(kSide / 2) = -kLarge;
    b.row(0) = kLarge;
    b.row(kSide / 2) = kLarge;
    cv::Mat_<float> product;
    cv::gemm(a, b, 1, cv::noArray(), 0, product);
    for (int row = 0; row < kSide; ++row) {
        for (int column = 0; column < kSide; ++column) {
            double sum = 0;
            for (int i = 0; i < kSide; ++i) sum += double{a(row, i)} * double{b(i, column)};
            if (static_cast<float>(sum) == product(row, column)) continue;
            throw pybind11::import_error(
                "mtcnn_cpp was built with ordered sums for OpenFace, but OpenCV " + cv::getVersionString() +
                " sums products of large matrices in another order: another module of this process loaded the same "
                "OpenCV before, with its BLAS. Import mtcnn_cpp._openface first, use opencv-python of PyPI (which "
                "keeps its OpenCV to itself), or install with -C cmake.define.MTCNN_CPP_OPENFACE_SUMS=blas");
        }
    }
}

}  // namespace openface
