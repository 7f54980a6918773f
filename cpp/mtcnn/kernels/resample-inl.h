// Bilinear resampling straight from pixels to planar rows, lanes over pixels. Two products and a sum, each rounded.
// Included once per instruction set, after its vector header.
#pragma once

#include "kernels.h"

namespace {

using mtcnn::PixelFormat;
using mtcnn::RowTaps;

MTCNN_INLINE Vector across(Vector left, Vector right, Vector w0, Vector w1) {
    return add(multiply(left, w0), multiply(right, w1));
}

// Three bytes of the left pixel and three of the right one. Each gather reads four bytes: the left pixel and the byte
// after it; the right pixel and the byte before it. So no byte after the right pixel is read.
struct PixelPairs {
    Vector left[3], right[3];
};

MTCNN_INLINE PixelPairs any_pixels(const std::uint8_t* row, const std::int32_t* offsets, std::ptrdiff_t pixel_stride) {
    const Integers left = gather(row, offsets);
    const Integers right = gather(row + pixel_stride - 1, offsets);
    return {{byte_to_float<0>(left), byte_to_float<1>(left), byte_to_float<2>(left)},
            {byte_to_float<1>(right), byte_to_float<2>(right), byte_to_float<3>(right)}};
}

// Pixels of three bytes, two of which lie in eight bytes: half the loads, and two bytes read past the right pixel.
MTCNN_INLINE PixelPairs dense_pixels(const std::uint8_t* row, const std::int32_t* offsets) {
    Integers low{};
    Integers high{};
    gather_pairs(row, offsets, low, high);
    return {{byte_to_float<0>(low), byte_to_float<1>(low), byte_to_float<2>(low)},
            {byte_to_float<3>(low), byte_to_float<0>(high), byte_to_float<1>(high)}};
}

void resample_u8(const std::uint8_t* row, const RowTaps& taps, const PixelFormat& format, float* out,
                 std::ptrdiff_t map_stride) {
    const std::ptrdiff_t third = format.red_first ? 2 * map_stride : 0;
    const std::ptrdiff_t first = 2 * map_stride - third;
    const bool dense = format.stride == 3 && format.may_overread;
    for (int x = 0; x < taps.count; x += kLanes) {
        const PixelPairs pixels =
            dense ? dense_pixels(row, taps.offsets + x) : any_pixels(row, taps.offsets + x, format.stride);
        const Vector w0 = load(taps.w0 + x);
        const Vector w1 = load(taps.w1 + x);
        store(out + first + x, across(pixels.left[0], pixels.right[0], w0, w1));
        store(out + map_stride + x, across(pixels.left[1], pixels.right[1], w0, w1));
        store(out + third + x, across(pixels.left[2], pixels.right[2], w0, w1));
    }
}

void resample_f32(const std::uint8_t* row, const RowTaps& taps, const PixelFormat& format, float* out,
                  std::ptrdiff_t map_stride) {
    for (int c = 0; c < 3; ++c) {
        const std::uint8_t* channel = row + 4 * static_cast<std::ptrdiff_t>(format.red_first ? c : 2 - c);
        for (int x = 0; x < taps.count; x += kLanes) {
            const Vector left = gather_float(channel, taps.offsets + x);
            const Vector right = gather_float(channel + format.stride, taps.offsets + x);
            store(out + c * map_stride + x, across(left, right, load(taps.w0 + x), load(taps.w1 + x)));
        }
    }
}

void blend(const float* upper, const float* lower, float w0, float w1, float centre, float scale, float* out,
           std::ptrdiff_t n) {
    const Vector weight0 = broadcast(w0);
    const Vector weight1 = broadcast(w1);
    const Vector centres = broadcast(centre);
    const Vector scales = broadcast(scale);
    for (std::ptrdiff_t x = 0; x < n; x += kLanes) {
        const Vector value = across(load(upper + x), load(lower + x), weight0, weight1);
        store(out + x, multiply(subtract(value, centres), scales));
    }
}

}  // namespace
