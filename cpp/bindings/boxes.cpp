#include "register.h"

#include <cstring>

#include "signals.h"

#include "gil.h"
#include "mtcnn/kernels/dispatch.h"

namespace bindings {
namespace {

constexpr int kSideLimit = 1 << 30;  // limit of the sides of a resampled image: columns are counted in 32 bits

mtcnn::Overlap to_overlap(const std::string& mode) {
    if (mode == "union") return mtcnn::Overlap::kUnion;
    if (mode == "minimum") return mtcnn::Overlap::kMinimum;
    throw py::value_error("mode must be \"union\" or \"minimum\", got \"" + mode + "\"");
}

// Resamples a patch and converts the planar rows R, G, B to (height, width, 3) in the channel order of the image.
py::array_t<float> resample(const mtcnn::Image& image, const mtcnn::Patch& patch, int height, int width,
                            mtcnn::Normalisation normalisation, const mtcnn::Kernels& kernels) {
    CoreCall call;
    py::array_t<float> result({height, width, 3});
    float* out = result.mutable_data();
    const GilReleased unlocked;
    mtcnn::Resampler resampler(kernels, call.cancellation_point());
    resampler.prepare(image, patch, height, width, normalisation);
    const std::ptrdiff_t stride = mtcnn::padded(width);
    mtcnn::Buffer<float> row;
    float* planar = row.reserve(3 * static_cast<std::size_t>(stride));
    for (int y = 0; y < height; ++y) {
        resampler.row(y, planar, stride);
        for (int x = 0; x < width; ++x) {
            for (int c = 0; c < 3; ++c) *out++ = planar[(image.is_rgb ? c : 2 - c) * stride + x];
            call.cancellation_point().advance(3);
        }
    }
    return result;
}

mtcnn::Box to_box(const py::array& box) {
    const float* v = contiguous_floats(box, "box", {4});
    const mtcnn::Box result{v[0], v[1], v[2], v[3]};
    if (!mtcnn::is_usable(result)) throw py::value_error("box must be finite and smaller than 2^30");
    return result;
}

}  // namespace

void register_boxes(py::module_& m) {
    m.def(
        "non_maximum_suppression",
        [](const py::array& boxes, const py::array& scores, double threshold, const std::string& mode) {
            CoreCall call;
            const std::vector<mtcnn::Box> all = to_boxes(boxes, "boxes");
            const float* values = contiguous_floats(scores, "scores", {boxes.shape(0)});
            const mtcnn::Overlap overlap = to_overlap(mode);
            std::vector<std::int32_t> keep;
            {
                const GilReleased unlocked;
                keep = mtcnn::non_maximum_suppression(all, {values, all.size()}, mtcnn::to_float(threshold), overlap,
                                                      call.cancellation_point());
            }
            return to_array(keep);
        },
        py::arg("boxes").noconvert(), py::arg("scores").noconvert(), py::arg("threshold"), py::arg("mode"),
        "Indices (M,) int32 of the kept boxes, sorted by descending score.");
    m.def(
        "apply_offsets",
        [](const py::array& boxes, const py::array& offsets, bool add_one) {
            const mtcnn::DefaultFloatMode mode;
            std::vector<mtcnn::Box> all = to_boxes(boxes, "boxes");
            const float* v = contiguous_floats(offsets, "offsets", {boxes.shape(0), 4});
            for (mtcnn::Box& box : all) {
                box = mtcnn::apply_offsets(box, {v[0], v[1], v[2], v[3]}, add_one);
                v += 4;
            }
            return to_array(all);
        },
        py::arg("boxes").noconvert(), py::arg("offsets").noconvert(), py::arg("add_one"),
        "Boxes (N, 4) moved by offsets (N, 4) of their rounded sizes.");
    m.def(
        "make_square",
        [](const py::array& boxes) {
            const mtcnn::DefaultFloatMode mode;
            std::vector<mtcnn::Box> all = to_boxes(boxes, "boxes");
            std::transform(all.begin(), all.end(), all.begin(), mtcnn::make_square);
            return to_array(all);
        },
        py::arg("boxes").noconvert(), "Squares (N, 4) of the longer sides, truncated.");
}

void register_resize(py::module_& m) {
    m.def(
        "resize",
        [](const py::array& image, int height, int width, const std::string& isa) {
            const mtcnn::Image view = to_image(image, true);
            if (height < 1 || width < 1) throw py::value_error("height and width must be 1 or more");
            if (std::max(height, width) >= kSideLimit) throw py::value_error("height and width must be below 2^30");
            return resample(view, mtcnn::full_patch(view), height, width, {0.0F, 1.0F}, mtcnn::select_kernels(isa));
        },
        py::arg("image").noconvert(), py::arg("height"), py::arg("width"), py::arg("isa") = "",
        "Bilinear: (H, W, 3) uint8 or float32 -> (height, width, 3) float32.");
    m.def(
        "cut",
        [](const py::array& image, const py::array& box) {
            const mtcnn::Image view = to_image(image, true);
            const mtcnn::Patch patch = mtcnn::cut(to_box(box));
            if (patch.width < 1 || patch.height < 1 || patch.width * patch.height > (1 << 28)) {
                throw py::value_error("box must have sides of 0 … 16383 to be cut without resizing");
            }
            return resample(view, patch, static_cast<int>(patch.height), static_cast<int>(patch.width), {0.0F, 1.0F},
                            mtcnn::select_kernels({}));
        },
        py::arg("image").noconvert(), py::arg("box").noconvert(),
        "The patch (h + 1, w + 1, 3) float32 of a box, zero outside the image.");
    m.def(
        "cut_resize",
        [](const py::array& image, const py::array& box, int size, const std::string& isa) {
            const mtcnn::Image view = to_image(image, true);
            const mtcnn::Patch patch = mtcnn::cut(to_box(box));
            if (size >= kSideLimit) throw py::value_error("size must be below 2^30");
            if (patch.width < 1 || patch.height < 1 || size < 1) {
                throw py::value_error("box and size must have sides of 0 or more, and 1 or more");
            }
            return resample(view, patch, size, size, {0.0F, 1.0F}, mtcnn::select_kernels(isa));
        },
        py::arg("image").noconvert(), py::arg("box").noconvert(), py::arg("size"), py::arg("isa") = "",
        "The patch of a box, resized to (size, size, 3) float32, without a copy of the patch.");
}

}  // namespace bindings
