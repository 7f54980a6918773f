// What is checked before the original is called: it ends the program where others would raise an error.
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

// The original failed although its input was checked.
struct Failed : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// Pixels of the original's kind, a copy: 8 bits, (H, W, 3) blue first or (H, W) gray. Throws ValueError for others.
cv::Mat to_picture(const py::array& image);

// Maps (H, W, 3) float32, blue first, all finite, a copy. Throws ValueError for others.
cv::Mat to_input(const py::array& image);

// Throws std::invalid_argument where the original would not survive these options on such a picture, MemoryLimit
// where they need more than `memory_limit` bytes (0: what the machine has free).
void check_detection(int height, int width, int min_face, const std::array<float, 3>& thresholds,
                     std::int64_t memory_limit);

// What a network makes of its input: maps (channels, height, width), or values (channels,) if flat.
struct Shape {
    int channels = 3, height = 0, width = 0;
    bool flat = false;
};

// After the last layer. Throws std::invalid_argument naming the layer that the input does not fit.
Shape shape_after(const mtcnn::Network& network, int height, int width);

// The original's maps as one array of that shape. Throws Failed where they are of another.
py::array_t<float> to_array(const std::vector<cv::Mat_<float>>& maps, const Shape& shape);

// "float32 (3, 480, 640)"
std::string describe(const py::array& array);

}  // namespace openface
