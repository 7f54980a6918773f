// The function that reads a matrix, for a checkout that defines it in a file that is not compiled here. The checkout's
// own definition takes precedence over these weak ones.
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
