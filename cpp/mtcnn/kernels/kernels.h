// The hot loops: one table of functions per instruction set.
//
// Every table computes the same bits. The lanes of a vector are different outputs (pixels, channels or crops), never
// terms of one sum, and each multiply-add is rounded once. Kernels take raw pointers only. Lengths are in elements
// unless another unit is given.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu.h"

namespace mtcnn {

// Row buffers that a kernel reads or writes, and packed channel counts, are padded to a multiple of this many floats:
// the width of the widest vector.
inline constexpr int kPad = 16;

constexpr int padded(int n) { return (n + kPad - 1) / kPad * kPad; }

// Bounds of the weights of a convolution.
struct Magnitudes {
    float lowest_bit;    // a lower bound of the value of the lowest bit that is set in a weight
    double largest_sum;  // an upper bound of the sums for inputs of magnitude 1; NaN or infinite if a weight is
};

// One output row of a convolution over planar maps, lanes over pixels.
struct PlanarConvolution {
    const float* const* rows;   // kernel_y pointers: row y + ky of input map 0
    std::ptrdiff_t map_stride;  // distance between the same row of two input maps
    const float* weights;       // packed by pack_convolution, in groups of planar_group()
    Magnitudes magnitudes;      // of the weights
    const float* bias;          // out_maps
    const float* slopes;        // out_maps, or null: no PReLU
    float* out;                 // row of output map 0; padded(width) floats are written
    std::ptrdiff_t out_map_stride;
    int in_maps, out_maps, kernel_y, kernel_x, width;
};

// One output row of max pooling over planar maps. Of equal values the first one counts, row by row.
struct PlanarPooling {
    const float* const* rows;  // row_count pointers (fewer than the kernel's height at the lower border)
    int row_count;
    std::ptrdiff_t map_stride;
    float* out;
    std::ptrdiff_t out_map_stride;
    int maps, in_width, width, kernel_x, stride_x;
};

// One output row of a fully connected layer on maps: sums in double, rounded, plus the bias in float.
struct PlanarFullyConnected {
    const float* row;  // input map 0
    std::ptrdiff_t map_stride;
    const double* weights;  // in_maps x out_maps
    const float* bias;
    const float* slopes;  // or null
    float* out;
    std::ptrdiff_t out_map_stride;
    int in_maps, out_maps, width;
};

// A convolution of `items` inputs of equal size, lanes over output channels. Outputs are H x W x padded(out_maps).
struct ChannelConvolution {
    const float* in;
    std::ptrdiff_t item_stride, row_stride, pixel_stride, map_stride;
    const float* weights;  // packed by pack_convolution, in groups of channel_group()
    Magnitudes magnitudes;
    const float* bias;    // padded(out_maps)
    const float* slopes;  // padded(out_maps), or null
    float* out;
    std::ptrdiff_t out_pixel_stride;  // padded(out_maps); items, rows and pixels are contiguous
    int items, in_maps, out_maps, kernel_y, kernel_x, height, width;  // height, width of the output
};

// Max pooling of one H x W x channels map, lanes over channels (a multiple of kPad).
struct ChannelPooling {
    const float* in;
    float* out;
    int channels, in_height, in_width, height, width, kernel_y, kernel_x, stride_y, stride_x;
};

// A fully connected layer on `items` vectors of doubles, lanes over outputs. The bias is added in double, the sum is
// rounded once, then PReLU.
struct ChannelFullyConnected {
    const double* in;
    std::ptrdiff_t item_stride;
    const float* weights;  // packed by pack_fully_connected, in groups of fc_group
    const float* bias;     // padded(out)
    const float* slopes;   // padded(out), or null
    float* out;
    std::ptrdiff_t out_item_stride;
    int items, in_count, out_count;
};

// Horizontal bilinear weights: out = in[left] * w0 + in[right] * w1. The right pixel follows the left one.
struct RowInterpolation {
    const std::int32_t* offsets;  // bytes from the row's start to the left pixel; padded(count) entries
    const float* w0;
    const float* w1;
    int count;
};

// Memory layout of the pixels of a row.
struct PixelFormat {
    std::ptrdiff_t stride;  // bytes between two pixels
    bool is_rgb;
    bool may_overread;  // two bytes past the row's last pixel may be read
};

// Vertical interpolation: out = (upper * w0 + lower * w1 - centre) * scale.
struct Blend {
    float w0, w1, centre, scale;
};

// Number of pairs of results in a row for which `bound_differences` has memory.
inline constexpr int kBoundsPairs = 48;

// Lower bounds of the differences of two outputs of a fully connected layer on maps, behind a convolution of 3 x 3 and
// a PReLU: four rows of results from six rows of input.
struct DifferenceBounds {
    const float* const* rows;  // six pointers: rows y to y + 5 of input map 0
    std::ptrdiff_t map_stride;
    const float* weights;      // packed by pack_transformed, in groups of bounds_group
    const float* bias;         // out_maps
    const float* slopes;       // out_maps
    const float* directions;   // out_maps: weights of the first output minus weights of the second
    float offset;              // bias of the first output minus bias of the second
    float relative, absolute;  // bound of the error: relative * norm of the input + absolute
    float* scratch;            // 24 * in_maps * kBoundsPairs
    float* out;                // four rows; minus infinity where the result is NaN
    std::ptrdiff_t out_stride;
    int in_maps, out_maps, width;  // width is at most 2 * kBoundsPairs
};

struct Kernels {
    const char* name;
    const char* description;
    std::uint32_t features;        // CPU features that the compiler may use
    bool supported() const;        // by this CPU
    std::int64_t steps_at_a_time;  // maximum multiply-adds of one call, so that cancellation is prompt
    // Number of output maps (or outputs of a fully connected layer) per tile. Weights are packed in groups of this
    // size.
    int (*planar_group)(int out_maps);
    int (*channel_group)(int out_maps);
    int fc_group;
    int bounds_group;
    void (*convolve_planar)(const PlanarConvolution&);
    void (*pool_planar)(const PlanarPooling&);
    void (*fc_planar)(const PlanarFullyConnected&);
    void (*bound_differences)(const DifferenceBounds&);
    void (*convolve_channels)(const ChannelConvolution&);
    void (*pool_channels)(const ChannelPooling&);
    void (*fc_channels)(const ChannelFullyConnected&);
    void (*prelu)(const float* in, float slope, float* out, std::ptrdiff_t n);
    // Three planar rows (R, G, B in that order, map_stride apart) from one row of 8-bit or float pixels.
    void (*resample_u8)(const std::uint8_t* row, const RowInterpolation&, const PixelFormat&, float* out,
                        std::ptrdiff_t map_stride);
    void (*resample_f32)(const std::uint8_t* row, const RowInterpolation&, const PixelFormat&, float* out,
                         std::ptrdiff_t map_stride);
    void (*blend)(const float* upper, const float* lower, const Blend&, float* out, std::ptrdiff_t n);
    // Resampling and blending in one step, from two rows of 8-bit pixels.
    void (*resample_blend_u8)(const std::uint8_t* upper, const std::uint8_t* lower, const RowInterpolation&,
                              const PixelFormat&, const Blend&, float* out, std::ptrdiff_t map_stride);
    // Writes the positions x with a[x] - b[x] <= limit and returns their number.
    int (*find_below)(const float* a, const float* b, float limit, int n, std::int32_t* positions);
    // Runs fused multiply-adds on registers and returns the number of floating-point operations.
    double (*run_multiply_adds)(std::int64_t steps);
};

// kernels_generic etc.: every variant in a build for this kind of CPU.
#define MTCNN_VARIANT(name) extern const Kernels kernels_##name;
#include "variants.inc"
#undef MTCNN_VARIANT

}  // namespace mtcnn
