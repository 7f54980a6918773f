// Faults of the stubs of OpenFace, for tests. MTCNN_STUB has a comma-separated list:
//   noise          some weights of the convolutions are off in the last bit, as if a BLAS summed in another order
//   transpose=OxI  the kernels of the convolution of O maps from I are transposed
//   print          inference and detection print too (reading always does)
//   throw, throw-std, throw-int   inference and detection throw cv::Exception, std::logic_error, an int
//   extra-map      inference returns one map too many
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <opencv2/core.hpp>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace stub {

// The value of an entry of MTCNN_STUB, "" if it has none; nothing if there is no such entry.
inline std::optional<std::string> fault(const std::string& name) {
    const char* given = std::getenv("MTCNN_STUB");
    std::istringstream words(given == nullptr ? "" : given);
    for (std::string word; std::getline(words, word, ',');) {
        if (word == name) return "";
        if (word.rfind(name + "=", 0) == 0) return word.substr(name.size() + 1);
    }
    return std::nullopt;
}

inline void misbehave() {
    if (fault("print")) std::cout << "stub: printed on std::cout" << std::endl;
    if (fault("throw")) CV_Error(cv::Error::StsAssert, "stub: asked to throw");
    if (fault("throw-std")) throw std::logic_error("stub: asked to throw");
    if (fault("throw-int")) throw 7;
}

// The faults of a network. `kernels`: out x in x rows x columns, square.
class KernelFaults {
public:
    void plant(std::vector<float>& kernels, int out, int in, int side) {
        if (fault("transpose").value_or("") == std::to_string(out) + "x" + std::to_string(in)) {
            for (std::size_t pair = 0; pair < kernels.size(); pair += static_cast<std::size_t>(side * side)) {
                cv::Mat_<float> kernel(side, side, &kernels[pair]);
                cv::Mat_<float>(kernel.t()).copyTo(kernel);
            }
        }
        if (!fault("noise")) return;
        for (float& weight : kernels) {
            drawn_ = drawn_ * 1664525U + 1013904223U;
            if ((drawn_ >> 16 & 3U) == 0) weight = std::nextafter(weight, (drawn_ >> 20 & 1U) != 0 ? 9.0F : -9.0F);
        }
    }

private:
    std::uint32_t drawn_ = 1;
};

}  // namespace stub
