// Bilinear resampling of a patch of an image into planar, normalised rows, without a float copy of the image.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "boxes.h"
#include "kernels/kernels.h"
#include "tensor.h"

namespace mtcnn {

// A view of an image. The three channels of a pixel are contiguous; the other strides are in bytes and positive.
struct Image {
    const std::uint8_t* data = nullptr;
    int height = 0, width = 0;
    std::ptrdiff_t row_stride = 0, pixel_stride = 0;
    bool floats = false;  // float32 pixels, otherwise uint8
    bool is_rgb = false;  // channel order R, G, B; otherwise B, G, R
};

// A rectangle in image coordinates. Pixels outside the image are zero.
struct Patch {
    std::int64_t x = 0, y = 0, width = 0, height = 0;
};

Patch full_patch(const Image& image);

// The patch of a square box: (width + 1) x (height + 1) pixels from (x - 1, y - 1).
Patch cut(const Box& box);

// Whether the patch overlaps the image.
bool touches(const Patch& patch, const Image& image);

// Maps each resampled value v to (v - centre) * scale.
struct Normalisation {
    float centre = 127.5F, scale = 0.0078125F;
};

// Produces the rows of a resampled patch. It keeps its memory for the next patch.
class Resampler {
public:
    // The arguments must outlive the resampler.
    Resampler(const Kernels& kernels, CancellationPoint& cancellation_point)
        : kernels_(kernels), cancellation_point_(cancellation_point) {}

    // Bytes needed for rows of that width of an image that is not cut.
    static double bytes_for(int width) { return 44.0 * width; }

    // The image must exist until the last call of row().
    void prepare(const Image& image, const Patch& patch, int height, int width, Normalisation normalisation = {});

    // Writes row y of the result: three planar rows (R, G, B) of padded(width) floats each, map_stride >= padded(width)
    // apart.
    void row(int y, float* out, std::ptrdiff_t map_stride);

private:
    enum class Mode { kCopy, kHalve, kBilinear };

    void prepare_columns();
    void fetch_for(int y);
    const float* source_row(std::int64_t y);
    const std::uint8_t* collect_columns(const std::uint8_t* row, int from, int count);
    void resample_across(std::int64_t image_y, float* out, std::ptrdiff_t map_stride);
    void resample_two(std::int64_t upper, std::int64_t lower, const Blend& blend, float* out,
                      std::ptrdiff_t map_stride);
    RowInterpolation interpolation(int x, int count) const;
    bool may_overread(std::int64_t image_y) const;
    void copy_row(int y, float* out, std::ptrdiff_t map_stride);
    void halve_row(int y, float* out, std::ptrdiff_t map_stride);
    float value(std::int64_t x, std::int64_t y, int channel) const;

    const Kernels& kernels_;
    CancellationPoint& cancellation_point_;
    Image image_;
    Patch patch_;
    int height_ = 0, width_ = 0;
    Normalisation normalisation_;
    Mode mode_ = Mode::kCopy;
    double row_step_ = 0;  // source rows per row of the result
    bool rows_are_used_once_ = false;
    PixelFormat format_{};
    // If some columns of the patch lie outside the image, the needed pixels are collected in a short row, some columns
    // at a time.
    bool collect_ = false;
    Buffer<std::int32_t>
        offsets_;  // for each column: bytes to its left pixel, in the row of the image or in the short row
    Buffer<float> left_weights_, right_weights_;
    Buffer<std::int64_t> columns_;
    Buffer<std::uint8_t> collected_;
    // The two source rows that were resampled last, with their numbers in the patch.
    Buffer<float> rows_[2];
    std::int64_t row_numbers_[2] = {-1, -1};
    int oldest_ = 0;
};

}  // namespace mtcnn
