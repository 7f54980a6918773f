// Bilinear resampling of a patch of an image into planar, normalised rows, without a float copy of the image.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "boxes.h"
#include "kernels/kernels.h"
#include "tensor.h"

namespace mtcnn {

// An image that somebody else owns. The three colours of a pixel are dense; other strides are in bytes and positive.
struct Image {
    const std::uint8_t* data = nullptr;
    int height = 0, width = 0;
    std::ptrdiff_t row_stride = 0, pixel_stride = 0;
    bool floats = false;     // float32 pixels, otherwise 8 bits
    bool red_first = false;  // R, G, B, otherwise B, G, R
};

// A rectangle in image coordinates. What lies outside the image is zero.
struct Patch {
    std::int64_t x = 0, y = 0, width = 0, height = 0;
};

Patch whole(const Image& image);

// The patch that is cut for a square box: (width + 1) x (height + 1) pixels from (x - 1, y - 1).
Patch cut(const Box& box);

// Whether any pixel of the patch lies inside the image.
bool touches(const Patch& patch, const Image& image);

// Each resampled value v becomes (v - centre) * scale.
struct Normalisation {
    float centre = 127.5F, scale = 0.0078125F;
};

// Produces the rows of one resampled patch. Memory is kept from one patch to the next.
class Resampler {
public:
    // What is given must outlive the resampler.
    Resampler(const Kernels& kernels, Checkpoint& checkpoint) : kernels_(kernels), checkpoint_(checkpoint) {}

    // Bytes that rows of that width need, of an image that is not cut.
    static double bytes_for(int width) { return 44.0 * width; }

    // The image must outlive the rows.
    void prepare(const Image& image, const Patch& patch, int height, int width, Normalisation normalisation = {});

    // Writes row y of the result: three planar rows (R, G, B), map_stride >= padded(width) apart, padded(width)
    // floats each.
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
    RowTaps taps(int x, int count) const;
    bool may_overread(std::int64_t image_y) const;
    void copy_row(int y, float* out, std::ptrdiff_t map_stride);
    void halve_row(int y, float* out, std::ptrdiff_t map_stride);
    float value(std::int64_t x, std::int64_t y, int channel) const;

    const Kernels& kernels_;
    Checkpoint& checkpoint_;
    Image image_;
    Patch patch_;
    int height_ = 0, width_ = 0;
    Normalisation normalisation_;
    Mode mode_ = Mode::kCopy;
    double row_step_ = 0;  // source rows for each row of the result
    bool rows_are_used_once_ = false;
    PixelFormat format_{};
    // Where columns of the patch lie outside the image, the pixels that are needed are collected into a short row, some
    // columns at a time.
    bool collect_ = false;
    Buffer<std::int32_t> offsets_;  // of each column: bytes to its left pixel, in the image's row or the short one
    Buffer<float> left_weights_, right_weights_;
    Buffer<std::int64_t> columns_;
    Buffer<std::uint8_t> collected_;
    // The two source rows last resampled across, by their number in the patch.
    Buffer<float> rows_[2];
    std::int64_t row_numbers_[2] = {-1, -1};
    int oldest_ = 0;
};

}  // namespace mtcnn
