// Reads a matrix, for checkouts that define this function in a file that is not compiled here. These definitions are
// weak: those of the checkout take precedence.
#include "stdafx.h"

namespace {

void read(std::ifstream& stream, cv::Mat& matrix) {
    int header[3] = {};  // rows, columns, type
    stream.read(reinterpret_cast<char*>(header), sizeof header);
    matrix = cv::Mat(header[0], header[1], header[2]);
    stream.read(reinterpret_cast<char*>(matrix.data), static_cast<std::streamsize>(matrix.total() * matrix.elemSize()));
}

}  // namespace

__attribute__((weak)) void ReadMatBin(std::ifstream& stream, cv::Mat& matrix) { read(stream, matrix); }

namespace LandmarkDetector {
__attribute__((weak)) void ReadMatBin(std::ifstream& stream, cv::Mat& matrix) { read(stream, matrix); }
}  // namespace LandmarkDetector
