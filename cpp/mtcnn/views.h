// Views of the results of a detection, for hooks.
#pragma once

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "boxes.h"
#include "cascade.h"
#include "tensor.h"

namespace mtcnn {

inline std::string numbered(const char* format, int number) {
    char text[64];
    std::snprintf(text, sizeof text, format, number);
    return text;
}

inline TensorView view_of(const std::vector<std::int32_t>& values) {
    return contiguous_view(values, {static_cast<std::ptrdiff_t>(values.size())});
}

inline TensorView view_of(const std::vector<float>& values) {
    return contiguous_view(values, {static_cast<std::ptrdiff_t>(values.size())});
}

// A view of structures of floats: one row for each.
template <class T>
TensorView view_of(const std::vector<T>& values, const std::vector<std::ptrdiff_t>& row) {
    std::vector<float> numbers(values.size() * sizeof(T) / sizeof(float));
    if (!values.empty()) std::memcpy(numbers.data(), values.data(), values.size() * sizeof(T));
    std::vector<std::ptrdiff_t> shape = {static_cast<std::ptrdiff_t>(values.size())};
    shape.insert(shape.end(), row.begin(), row.end());
    return contiguous_view(std::move(numbers), std::move(shape));
}

inline TensorView view_of(const std::vector<Box>& boxes) { return view_of(boxes, {4}); }
inline TensorView view_of(const std::vector<Offsets>& offsets) { return view_of(offsets, {4}); }
inline TensorView view_of(const std::vector<Landmarks>& landmarks) { return view_of(landmarks, {5, 2}); }

}  // namespace mtcnn
