// The one place that includes pybind11 and where an array becomes a view, or a view an array.
#pragma once

#include <pybind11/functional.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <string>
#include <vector>

#include "mtcnn/boxes.h"
#include "mtcnn/cascade.h"
#include "mtcnn/resize.h"
#include "mtcnn/tensor.h"

namespace py = pybind11;

namespace bindings {

// Arrays reach the core as they are: nothing converts on the way.
using FloatArray = py::array_t<float, 0>;
using DenseFloats = py::array_t<float, py::array::c_style>;

// "float32 (3, 480, 640)"
std::string describe(const py::array& array);

// Throws ValueError "{name} must be {expected}, got {found}".
[[noreturn]] void refuse(const std::string& name, const std::string& expected, const py::array& found);

// An image (H, W, 3 or more) uint8, or (H, W, 3) float32: dense colours, other strides positive.
mtcnn::Image to_image(const py::array& image, bool red_first);

// Dense float32 of this rank; sizes of -1 are free.
const float* dense_floats(const py::array& array, const std::string& name, const std::vector<py::ssize_t>& shape);

py::array_t<float> to_array(const std::vector<mtcnn::Box>& boxes);
py::array_t<float> to_array(const std::vector<float>& values);
py::array_t<float> to_array(const std::vector<mtcnn::Landmarks>& landmarks);
py::array_t<std::int32_t> to_array(const std::vector<std::int32_t>& values);

// A read-only array over the same memory, which lives as long as the array.
py::array to_view(const mtcnn::TensorView& view);

// A copy of planar or interleaved maps (C, H, W).
py::array_t<float> copy_of(const mtcnn::TensorView& view);

// Refuses boxes that the integer arithmetic cannot hold.
std::vector<mtcnn::Box> to_boxes(const py::array& boxes, const std::string& name);

// A callable as a tap; empty for None. It takes the interpreter's lock for every call.
mtcnn::Tap to_tap(const py::object& callable);

}  // namespace bindings
