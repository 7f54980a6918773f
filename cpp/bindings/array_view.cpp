#include "array_view.h"
#include "gil.h"

#include <algorithm>
#include <cstring>

namespace bindings {
namespace {

template <class T, class Value>
py::array_t<T> rows_of(const std::vector<Value>& values, const std::vector<py::ssize_t>& row) {
    std::vector<py::ssize_t> shape = {static_cast<py::ssize_t>(values.size())};
    shape.insert(shape.end(), row.begin(), row.end());
    py::array_t<T> array(shape);
    if (!values.empty()) std::memcpy(array.mutable_data(), values.data(), values.size() * sizeof(Value));
    return array;
}

}  // namespace

std::string describe(const py::array& array) {
    std::string text = py::str(array.dtype()).cast<std::string>() + " (";
    for (py::ssize_t i = 0; i < array.ndim(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(array.shape(i));
    return text + (array.ndim() == 1 ? ",)" : ")");
}

void throw_invalid(const std::string& name, const std::string& expected, const py::array& found) {
    throw py::value_error(name + " must be " + expected + ", got " + describe(found));
}

mtcnn::Image to_image(const py::array& image, bool is_rgb) {
    const bool floats = image.dtype().equal(py::dtype::of<float>());
    const bool bytes = image.dtype().equal(py::dtype::of<std::uint8_t>());
    const char* expected =
        "(H, W, 3 or more) uint8 or (H, W, 3) float32, not empty, contiguous channels, positive strides";
    if ((!floats && !bytes) || image.ndim() != 3 || image.shape(2) < 3) throw_invalid("image", expected, image);
    if (image.shape(0) < 1 || image.shape(1) < 1 || image.strides(2) != image.itemsize()) {
        throw_invalid("image", expected, image);
    }
    if (image.strides(0) < 0 || image.strides(1) < 3 * image.itemsize()) throw_invalid("image", expected, image);
    constexpr py::ssize_t kMost = INT32_MAX;  // the bytes of a row are counted in 32 bits
    if (image.shape(0) > kMost || image.shape(1) > kMost / image.strides(1)) {
        throw_invalid("image", "smaller than 2^31 bytes per row", image);
    }
    return {static_cast<const std::uint8_t*>(image.data()),
            static_cast<int>(image.shape(0)),
            static_cast<int>(image.shape(1)),
            image.strides(0),
            image.strides(1),
            floats,
            is_rgb};
}

const float* contiguous_floats(const py::array& array, const std::string& name, const std::vector<py::ssize_t>& shape) {
    std::string expected = "C-contiguous float32 (";
    for (std::size_t i = 0; i < shape.size(); ++i) {
        if (i != 0) expected += ", ";
        expected += shape[i] < 0 ? "N" : std::to_string(shape[i]);
    }
    expected += shape.size() == 1 ? ",)" : ")";
    bool fits = array.dtype().equal(py::dtype::of<float>()) && (array.flags() & py::array::c_style) != 0 &&
                array.ndim() == static_cast<py::ssize_t>(shape.size());
    for (std::size_t i = 0; fits && i < shape.size(); ++i) {
        fits = shape[i] < 0 || array.shape(static_cast<py::ssize_t>(i)) == shape[i];
    }
    if (!fits) throw_invalid(name, expected, array);
    return static_cast<const float*>(array.data());
}

py::array_t<float> to_array(const std::vector<mtcnn::Box>& boxes) { return rows_of<float>(boxes, {4}); }
py::array_t<float> to_array(const std::vector<float>& values) { return rows_of<float>(values, {}); }
py::array_t<float> to_array(const std::vector<mtcnn::Landmarks>& landmarks) {
    return rows_of<float>(landmarks, {5, 2});
}
py::array_t<std::int32_t> to_array(const std::vector<std::int32_t>& values) {
    return rows_of<std::int32_t>(values, {});
}

py::array to_view(const mtcnn::TensorView& view) {
    const py::dtype dtype = view.integers ? py::dtype::of<std::int32_t>() : py::dtype::of<float>();
    const std::vector<py::ssize_t> shape(view.shape.begin(), view.shape.end());
    if (std::find(shape.begin(), shape.end(), 0) != shape.end()) {
        py::array empty(dtype, shape);
        empty.attr("setflags")(py::arg("write") = false);
        return empty;
    }
    const py::capsule owner(new std::shared_ptr<const void>(view.owner),
                            [](void* p) { delete static_cast<std::shared_ptr<const void>*>(p); });
    py::array array(dtype, shape, {view.strides.begin(), view.strides.end()}, view.data, owner);
    array.attr("setflags")(py::arg("write") = false);
    return array;
}

py::array_t<float> copy_of(const mtcnn::TensorView& view) {
    return py::array_t<float>::ensure(to_view(view).attr("copy")("C"));
}

std::vector<mtcnn::Box> to_boxes(const py::array& boxes, const std::string& name) {
    const float* data = contiguous_floats(boxes, name, {-1, 4});
    std::vector<mtcnn::Box> result(static_cast<std::size_t>(boxes.shape(0)));
    if (!result.empty()) std::memcpy(static_cast<void*>(result.data()), data, result.size() * sizeof(mtcnn::Box));
    const auto bad = std::find_if_not(result.begin(), result.end(), mtcnn::is_usable);
    if (bad != result.end()) {
        throw py::value_error(name + ": expected finite numbers below 2^30, found another in row " +
                              std::to_string(bad - result.begin()));
    }
    return result;
}

mtcnn::Hook to_hook(const py::object& callable) {
    if (callable.is_none()) return {};
    return [callable](const std::string& name, const mtcnn::TensorView& view) {
        const GilHeld lock;
        callable(name, to_view(view));
    };
}

}  // namespace bindings
