// Sums of products with the bits of fused multiply-adds, computed with doubles. Include this after the vector header.
//
// A fused multiply-add rounds sum + a * b once to float. Here the product of two floats is exact in double, the sum is
// rounded to double, and then to the 24 bits of a float. The result has the same bits, except in three cases:
// * A sum overflows a float.
// * A sum is smaller than 2^-126, where a float has fewer than 24 bits, and it is rounded.
// * The double is half way between two floats, and was rounded to half way.
//
// MagnitudeScan excludes the first two cases before the loops run. Let g be the product of the lowest bits that are set
// in any weight and in any input. All products are multiples of g. All sums are multiples of g, too, because a sum that
// is rounded to float is a multiple of g or of its own last bit, which is larger. Let S be a bound of all sums.
// * S < 2^127: no sum overflows.
// * g >= 2^-149: a multiple of 2^-149 below 2^-126 has at most 23 bits. It is a float and is not rounded.
// * S < 2^53 g: all doubles are exact, so the third case cannot occur. This is the case for inputs with few bits, such
//   as pixels that were copied. For them, sums half way between two floats are frequent.
// Otherwise the loops detect all sums half way, and compute these with rounding to odd, as `fma` does.
#pragma once

#include <math.h>

#include "kernels.h"

#define MTCNN_DOUBLE_SUMS 1

namespace {

// kExact: whether all doubles are exact.
template <bool kExact>
struct DoubleSums {
    static constexpr int kRegisters = 2;
    struct Factor {
        Doubles low, high;
    };
    // The doubles have the precision of floats.
    using Sum = Factor;

    MTCNN_INLINE static Factor load_factor(const float* p) { return {double_load(p), double_load(p + kDoubleLanes)}; }
    MTCNN_INLINE static Factor broadcast_factor(float v) {
        const Doubles value = double_broadcast(static_cast<double>(v));
        return {value, value};
    }
    MTCNN_INLINE static Sum zero_sum() { return {double_zero(), double_zero()}; }
    // sum + a * b with one rounding. It is inlined: a call would need all registers, and the loops would be slower.
    MTCNN_INLINE static Sum exact_sum(Sum sum, Factor a, Factor b) {
        const Vector v = joined(sum_to_odd(a.low, b.low, sum.low), sum_to_odd(a.high, b.high, sum.high));
        return {low_half(v), high_half(v)};
    }
    // sum + a * b, rounded to the precision of floats.
    MTCNN_INLINE static Sum add_product(Sum sum, Factor a, Factor b) {
        const Doubles low = double_fma(a.low, b.low, sum.low);
        const Doubles high = double_fma(a.high, b.high, sum.high);
        if constexpr (kExact) {
            return {_mm_cvtps_pd(_mm_cvtpd_ps(low)), _mm_cvtps_pd(_mm_cvtpd_ps(high))};
        } else {
            // Adds half of the last bit of a float, in magnitude. Then the 29 bits that a float lacks are zero if the
            // double was half way. They are removed.
            const Integers half = _mm_set1_epi64x(1 << 28);
            const Integers kept = _mm_set1_epi64x(-(1LL << 29));
            const Integers low_bits = _mm_add_epi64(_mm_castpd_si128(low), half);
            const Integers high_bits = _mm_add_epi64(_mm_castpd_si128(high), half);
            const Vector words = even(_mm_castsi128_ps(low_bits), _mm_castsi128_ps(high_bits));
            const Integers missing = _mm_slli_epi32(_mm_castps_si128(words), 3);
            if (_mm_movemask_epi8(_mm_cmpeq_epi32(missing, _mm_setzero_si128())) != 0) MTCNN_UNLIKELY {
                    return exact_sum(sum, a, b);
                }
            return {_mm_castsi128_pd(_mm_and_si128(low_bits, kept)), _mm_castsi128_pd(_mm_and_si128(high_bits, kept))};
        }
    }
    MTCNN_INLINE static Vector to_vector(Sum sum) { return joined(sum.low, sum.high); }
};

// Bounds of the inputs of a convolution.
class MagnitudeScan {
public:
    void add(const float* values, std::ptrdiff_t count) {
        if (count < kLanes) {
            float row[kLanes] = {};
            for (std::ptrdiff_t i = 0; i < count; ++i) row[i] = values[i];
            add_vector(load(row));
            return;
        }
        for (std::ptrdiff_t i = 0; i + kLanes <= count; i += kLanes) add_vector(load(values + i));
        if (count % kLanes != 0) add_vector(load(values + count - kLanes));
    }

    // Finishes the scan.
    void compare(const mtcnn::Magnitudes& weights) {
        float lowest[kLanes];
        float largest[kLanes];
        float total[kLanes];
        store(lowest, lowest_bit_);
        store(largest, largest_);
        store(total, total_);
        double input_bit = static_cast<double>(lowest[0]);
        double input = static_cast<double>(largest[0]);
        bool finite = total[0] < INFINITY;  // false for NaN
        for (int i = 1; i < kLanes; ++i) {
            input_bit = lowest[i] < input_bit ? static_cast<double>(lowest[i]) : input_bit;
            input = largest[i] > input ? static_cast<double>(largest[i]) : input;
            finite = finite && total[i] < INFINITY;
        }
        const double bit = static_cast<double>(weights.lowest_bit) * input_bit;
        const double sum = weights.largest_sum * input;
        is_usable = finite && sum < 0x1p127 && bit >= 0x1p-149;  // false if the weights are not finite
        is_exact = is_usable && sum < 0x1p53 * bit;
    }

    bool is_usable = false;  // sums of doubles are correct, except some that are half way between two floats
    bool is_exact = false;   // all doubles are exact

private:
    MTCNN_INLINE void add_vector(Vector values) {
        const Vector size = magnitude(values);
        lowest_bit_ = smaller_except_zero(::lowest_bit(size), lowest_bit_);
        largest_ = greater(size, largest_);
        total_ = ::add(total_, size);  // infinite or NaN if a value is
    }

    Vector lowest_bit_ = broadcast(INFINITY);
    Vector largest_ = zero();
    Vector total_ = zero();
};

MagnitudeScan scan(const mtcnn::PlanarConvolution& a) {
    MagnitudeScan scan;
    for (int c = 0; c < a.in_maps; ++c) {
        for (int y = 0; y < a.kernel_y; ++y) scan.add(a.rows[y] + c * a.map_stride, a.width + a.kernel_x - 1);
    }
    scan.compare(a.magnitudes);
    return scan;
}

MagnitudeScan scan(const mtcnn::ChannelConvolution& a) {
    MagnitudeScan scan;
    const int height = a.height + a.kernel_y - 1;
    const int width = a.width + a.kernel_x - 1;
    const float* item = a.in;
    for (int n = 0; n < a.items; ++n, item += a.item_stride) {
        for (int y = 0; y < height; ++y) {
            const float* row = item + y * a.row_stride;
            if (a.pixel_stride == 1) {
                for (int c = 0; c < a.in_maps; ++c) scan.add(row + c * a.map_stride, width);
            } else {
                for (int x = 0; x < width; ++x) scan.add(row + x * a.pixel_stride, a.in_maps);
            }
        }
    }
    scan.compare(a.magnitudes);
    return scan;
}

}  // namespace
