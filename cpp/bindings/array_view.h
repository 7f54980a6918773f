// Conversions between arrays and views. Only this header includes pybind11.
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

// Arrays are passed without conversion.
using FloatArray = py::array_t<float, 0>;
using DenseFloats = py::array_t<float, py::array::c_style>;

// "float32 (3, 480, 640)"
std::string describe(const py::array& array);

// Throws ValueError "{name} must be {expected}, got {found}".
[[noreturn]] void throw_invalid(const std::string& name, const std::string& expected, const py::array& found);

// View of an image (H, W, 3 or more) uint8, or (H, W, 3) float32. Channels must be contiguous, other strides positive.
mtcnn::Image to_image(const py::array& image, bool is_rgb);

// Data of a C-contiguous float32 array of this shape. A size of -1 accepts any size.
const float* contiguous_floats(const py::array& array, const std::string& name, const std::vector<py::ssize_t>& shape);

py::array_t<float> to_array(const std::vector<mtcnn::Box>& boxes);
py::array_t<float> to_array(const std::vector<float>& values);
py::array_t<float> to_array(const std::vector<mtcnn::Landmarks>& landmarks);
py::array_t<std::int32_t> to_array(const std::vector<std::int32_t>& values);

// A read-only array that shares the memory and keeps it alive.
py::array to_view(const mtcnn::TensorView& view);

// A copy of planar or interleaved maps (C, H, W).
py::array_t<float> copy_of(const mtcnn::TensorView& view);

// Throws ValueError for boxes outside the range of the integer arithmetic.
std::vector<mtcnn::Box> to_boxes(const py::array& boxes, const std::string& name);

// Converts a callable to a hook; empty for None. Each call acquires the GIL.
mtcnn::Hook to_hook(const py::object& callable);

}  // namespace bindings
