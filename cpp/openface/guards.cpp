#include "guards.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "mtcnn/cascade.h"
#include "mtcnn/memory.h"

namespace openface {
namespace {

constexpr py::ssize_t kSideLimit = 1 << 20;
constexpr double kBytesPerPixel = 200;  // of the first level: its input, its columns, its maps

[[noreturn]] void throw_invalid(const std::string& name, const std::string& expected, const py::array& found) {
    throw py::value_error(name + ": expected " + expected + ", found " + describe(found));
}

void check_sides(const std::string& name, const py::array& image) {
    const bool usable = image.ndim() >= 2 && std::min(image.shape(0), image.shape(1)) >= 1 &&
                        std::max(image.shape(0), image.shape(1)) <= kSideLimit;
    if (!usable) throw_invalid(name, "sides from 1 to " + std::to_string(kSideLimit) + " pixels", image);
}

// A contiguous copy of an array.
cv::Mat copied(const py::array& image, int type) {
    const py::array contiguous = py::array::ensure(image, py::array::c_style);
    if (!contiguous) throw py::error_already_set();
    cv::Mat result(static_cast<int>(image.shape(0)), static_cast<int>(image.shape(1)), type);
    std::memcpy(result.data, contiguous.data(), static_cast<std::size_t>(contiguous.nbytes()));
    return result;
}

[[noreturn]] void mismatch(const std::string& layer, const std::string& expected, const Shape& found) {
    std::string shape = std::to_string(found.channels);
    if (!found.flat) shape += " x " + std::to_string(found.height) + " x " + std::to_string(found.width);
    throw std::invalid_argument(layer + ": expected " + expected + ", found " + shape);
}

struct Step {
    Shape shape;
    std::string name;

    void operator()(const mtcnn::Conv2d& conv) {
        if (shape.flat || conv.in_maps != shape.channels || conv.kernel_y > shape.height ||
            conv.kernel_x > shape.width) {
            mismatch(name,
                     std::to_string(conv.in_maps) + " maps of at least " + std::to_string(conv.kernel_y) + " x " +
                         std::to_string(conv.kernel_x),
                     shape);
        }
        shape = {conv.out_maps, shape.height - conv.kernel_y + 1, shape.width - conv.kernel_x + 1, false};
    }
    void operator()(const mtcnn::MaxPool& pool) {
        const int height = shape.flat ? 0 : mtcnn::pooled_size(shape.height, pool.kernel_y, pool.stride_y);
        const int width = shape.flat ? 0 : mtcnn::pooled_size(shape.width, pool.kernel_x, pool.stride_x);
        if (height < 1 || width < 1) mismatch(name, "maps that its window fits", shape);
        shape = {shape.channels, height, width, false};
    }
    void operator()(const mtcnn::FullyConnected& fc) {
        const auto values = std::int64_t{shape.channels} * (shape.flat ? 1 : std::int64_t{shape.height} * shape.width);
        const bool per_pixel = !shape.flat && fc.inputs == shape.channels;
        if (!per_pixel && fc.inputs != values) mismatch(name, std::to_string(fc.inputs) + " values", shape);
        shape = {fc.outputs, shape.height, shape.width, !per_pixel};
    }
    void operator()(const mtcnn::PReLU& prelu) const {
        const auto slopes = static_cast<int>(prelu.slopes.size());
        if (slopes != shape.channels) mismatch(name, std::to_string(slopes) + " maps", shape);
    }
    void operator()(const mtcnn::Sigmoid&) const {}
};

}  // namespace

std::string describe(const py::array& array) {
    std::string text = py::str(array.dtype()).cast<std::string>() + " (";
    for (py::ssize_t i = 0; i < array.ndim(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(array.shape(i));
    return text + (array.ndim() == 1 ? ",)" : ")");
}

cv::Mat to_image(const py::array& image) {
    const bool gray = image.ndim() == 2;
    const bool colours = image.ndim() == 3 && image.shape(2) == 3;
    if (!image.dtype().equal(py::dtype::of<std::uint8_t>()) || (!gray && !colours)) {
        throw_invalid("image", "(H, W, 3) uint8, BGR, or (H, W) uint8, other images end the program in OpenFace",
                      image);
    }
    check_sides("image", image);
    return copied(image, gray ? CV_8UC1 : CV_8UC3);
}

cv::Mat to_input(const py::array& image) {
    if (!image.dtype().equal(py::dtype::of<float>()) || image.ndim() != 3 || image.shape(2) != 3) {
        throw_invalid("input", "(H, W, 3) float32, BGR, normalised", image);
    }
    check_sides("input", image);
    cv::Mat result = copied(image, CV_32FC3);
    const auto* values = result.ptr<float>();
    if (!std::all_of(values, values + image.size(), [](float v) { return std::isfinite(v); })) {
        throw py::value_error("input: expected finite numbers, found NaN or infinity, which ends OpenFace's program");
    }
    return result;
}

void check_detection(int height, int width, int min_face, const std::array<float, 3>& thresholds,
                     std::int64_t memory_limit) {
    if (min_face < 1) {
        throw std::invalid_argument("min_face: expected 1 or more, found " + std::to_string(min_face));
    }
    for (const float threshold : thresholds) {
        if (!(threshold >= 0 && threshold <= 1)) {
            throw std::invalid_argument("thresholds: expected numbers from 0 to 1, found " + std::to_string(threshold));
        }
    }
    // Below this the number of levels is negative and the original ends the program.
    const std::int64_t side = std::min(height, width);
    if (side * 1000 <= std::int64_t{709} * min_face) {
        throw std::invalid_argument("image: expected sides of more than 0.709 x min_face, which is " +
                                    std::to_string(std::int64_t{709} * min_face / 1000) + " pixels, found " +
                                    std::to_string(height) + " x " + std::to_string(width) +
                                    "; OpenFace ends the program on such an image, the backend core finds no face");
    }
    mtcnn::Options options;
    options.min_face = min_face;
    const std::vector<mtcnn::Level> levels = mtcnn::pyramid(height, width, options);
    mtcnn::Budget budget(memory_limit);
    if (!levels.empty()) {
        budget.check(kBytesPerPixel * levels[0].height * levels[0].width + 16.0 * height * width);
    }
}

Shape shape_after(const mtcnn::Network& network, int height, int width) {
    const std::vector<std::string> names = network.names();
    Step step{{3, height, width, false}, ""};
    for (std::size_t i = 0; i < network.layers.size(); ++i) {
        step.name = names[i];
        std::visit(step, network.layers[i]);
    }
    return step.shape;
}

py::array_t<float> to_array(const std::vector<cv::Mat_<float>>& maps, const Shape& shape) {
    const bool single = shape.flat || shape.height * shape.width == 1;  // may be a single matrix
    const std::size_t values =
        static_cast<std::size_t>(shape.channels) *
        (shape.flat ? 1 : static_cast<std::size_t>(shape.height) * static_cast<std::size_t>(shape.width));
    const bool one =
        single && maps.size() == 1 && maps[0].total() == values && std::min(maps[0].rows, maps[0].cols) == 1;
    bool fits = one || (!shape.flat && maps.size() == static_cast<std::size_t>(shape.channels));
    for (const cv::Mat_<float>& map : maps)
        fits = fits && (one || (map.rows == shape.height && map.cols == shape.width));
    if (!fits) {
        const std::string each =
            maps.empty() ? "" : " of " + std::to_string(maps[0].rows) + " x " + std::to_string(maps[0].cols);
        throw Failed(
            "OpenFace gave " + std::to_string(maps.size()) + " matrices" + each + ", expected " +
            std::to_string(shape.channels) +
            (shape.flat ? " values" : " of " + std::to_string(shape.height) + " x " + std::to_string(shape.width)));
    }
    std::vector<py::ssize_t> sizes = {shape.channels};
    if (!shape.flat) sizes.insert(sizes.end(), {shape.height, shape.width});
    py::array_t<float> result(sizes);
    float* out = result.mutable_data();
    for (const cv::Mat_<float>& map : maps) {
        const cv::Mat contiguous = map.isContinuous() ? map : map.clone();
        std::memcpy(out, contiguous.data, contiguous.total() * sizeof(float));
        out += contiguous.total();
    }
    return result;
}

}  // namespace openface
