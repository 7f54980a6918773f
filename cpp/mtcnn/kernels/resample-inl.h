// Bilinear resampling from pixels to planar rows, lanes over pixels. Two products and a sum, each rounded. Include this
// once per instruction set, after its vector header.
#pragma once

#include "kernels.h"

namespace {

using mtcnn::Blend;
using mtcnn::PixelFormat;
using mtcnn::RowInterpolation;

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

// Pixels of three bytes: two of them lie in eight bytes. This needs half the loads but reads two bytes past the right
// pixel.
MTCNN_INLINE PixelPairs packed_pixels(const std::uint8_t* row, const std::int32_t* offsets) {
    Integers low{};
    Integers high{};
    gather_pairs(row, offsets, low, high);
    return {{byte_to_float<0>(low), byte_to_float<1>(low), byte_to_float<2>(low)},
            {byte_to_float<3>(low), byte_to_float<0>(high), byte_to_float<1>(high)}};
}

// Destination rows of the three channels of a pixel.
struct ColourRows {
    ColourRows(const PixelFormat& format, float* out, std::ptrdiff_t map_stride)
        : at{out + (format.is_rgb ? 0 : 2 * map_stride), out + map_stride, out + (format.is_rgb ? 2 * map_stride : 0)} {
    }
    float* at[3];
};

template <bool kPacked>
MTCNN_INLINE PixelPairs pixel_pairs(const std::uint8_t* row, const std::int32_t* offsets, std::ptrdiff_t stride) {
    return kPacked ? packed_pixels(row, offsets) : any_pixels(row, offsets, stride);
}

template <bool kPacked>
MTCNN_INLINE void resample_row(const std::uint8_t* row, const RowInterpolation& interpolation, std::ptrdiff_t stride,
                               const ColourRows& out) {
    for (int x = 0; x < interpolation.count; x += kLanes) {
        const PixelPairs pixels = pixel_pairs<kPacked>(row, interpolation.offsets + x, stride);
        const Vector w0 = load(interpolation.w0 + x);
        const Vector w1 = load(interpolation.w1 + x);
        MTCNN_UNROLL
        for (int c = 0; c < 3; ++c) store(out.at[c] + x, across(pixels.left[c], pixels.right[c], w0, w1));
    }
}

bool are_packed(const PixelFormat& format) { return format.stride == 3 && format.may_overread; }

void resample_u8(const std::uint8_t* row, const RowInterpolation& interpolation, const PixelFormat& format, float* out,
                 std::ptrdiff_t map_stride) {
    const ColourRows rows(format, out, map_stride);
    are_packed(format) ? resample_row<true>(row, interpolation, format.stride, rows)
                       : resample_row<false>(row, interpolation, format.stride, rows);
}

struct Blender {
    explicit Blender(const Blend& blend)
        : w0(broadcast(blend.w0)),
          w1(broadcast(blend.w1)),
          centre(broadcast(blend.centre)),
          scale(broadcast(blend.scale)) {}
    MTCNN_INLINE Vector operator()(Vector upper, Vector lower) const {
        return multiply(subtract(across(upper, lower, w0, w1), centre), scale);
    }
    Vector w0, w1, centre, scale;
};

template <bool kPacked>
MTCNN_INLINE void resample_two_rows(const std::uint8_t* upper, const std::uint8_t* lower,
                                    const RowInterpolation& interpolation, std::ptrdiff_t stride,
                                    const Blender& blended, const ColourRows& out) {
    for (int x = 0; x < interpolation.count; x += kLanes) {
        const PixelPairs above = pixel_pairs<kPacked>(upper, interpolation.offsets + x, stride);
        const PixelPairs below = pixel_pairs<kPacked>(lower, interpolation.offsets + x, stride);
        const Vector w0 = load(interpolation.w0 + x);
        const Vector w1 = load(interpolation.w1 + x);
        MTCNN_UNROLL
        for (int c = 0; c < 3; ++c) {
            store(out.at[c] + x, blended(across(above.left[c], above.right[c], w0, w1),
                                         across(below.left[c], below.right[c], w0, w1)));
        }
    }
}

void resample_blend_u8(const std::uint8_t* upper, const std::uint8_t* lower, const RowInterpolation& interpolation,
                       const PixelFormat& format, const Blend& blend, float* out, std::ptrdiff_t map_stride) {
    const Blender blended(blend);
    const ColourRows rows(format, out, map_stride);
    are_packed(format) ? resample_two_rows<true>(upper, lower, interpolation, format.stride, blended, rows)
                       : resample_two_rows<false>(upper, lower, interpolation, format.stride, blended, rows);
}

void resample_f32(const std::uint8_t* row, const RowInterpolation& interpolation, const PixelFormat& format, float* out,
                  std::ptrdiff_t map_stride) {
    for (int c = 0; c < 3; ++c) {
        const std::uint8_t* channel = row + 4 * static_cast<std::ptrdiff_t>(format.is_rgb ? c : 2 - c);
        for (int x = 0; x < interpolation.count; x += kLanes) {
            const Vector left = gather_float(channel, interpolation.offsets + x);
            const Vector right = gather_float(channel + format.stride, interpolation.offsets + x);
            store(out + c * map_stride + x,
                  across(left, right, load(interpolation.w0 + x), load(interpolation.w1 + x)));
        }
    }
}

void blend_rows(const float* upper, const float* lower, const Blend& blend, float* out, std::ptrdiff_t n) {
    const Blender blended(blend);
    for (std::ptrdiff_t x = 0; x < n; x += kLanes) store(out + x, blended(load(upper + x), load(lower + x)));
}

}  // namespace
