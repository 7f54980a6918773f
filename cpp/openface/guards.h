// Checks before each call of the original, which ends the program where other libraries raise an error.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <array>
#include <opencv2/core.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "mtcnn/model.h"

namespace py = pybind11;

namespace openface {

// The original failed although its input passed the checks.
struct Failed : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// Copies an image for the original: uint8, (H, W, 3) BGR or (H, W) gray. Throws ValueError for other arrays.
cv::Mat to_image(const py::array& image);

// Copies maps (H, W, 3) float32, BGR, all finite. Throws ValueError for other arrays.
cv::Mat to_input(const py::array& image);

// Throws std::invalid_argument if these options on such an image would end the program in the original, and MemoryLimit
// if they need more than `memory_limit` bytes (0: the free memory).
void check_detection(int height, int width, int min_face, const std::array<float, 3>& thresholds,
                     std::int64_t memory_limit);

// Output shape of a network: maps (channels, height, width), or values (channels,) if flat.
struct Shape {
    int channels = 3, height = 0, width = 0;
    bool flat = false;
};

// Shape after the last layer. Throws std::invalid_argument with the name of the layer that does not match the input.
Shape shape_after(const mtcnn::Network& network, int height, int width);

// Converts the maps of the original to one array of that shape. Throws Failed if their shape differs.
py::array_t<float> to_array(const std::vector<cv::Mat_<float>>& maps, const Shape& shape);

// "float32 (3, 480, 640)"
std::string describe(const py::array& array);

}  // namespace openface
