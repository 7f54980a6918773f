// Vector operations of the kernels on four floats, for every x86-64 CPU and for WebAssembly. They may lack a fused
// multiply-add. `fma` computes it with doubles, slowly; double_sums.h has a faster way for sums of products.
#pragma once

#include <emmintrin.h>

#include <cstdint>
#include <cstring>

#include "unroll.h"

namespace {

using Vector = __m128;
using Doubles = __m128d;  // half as many lanes
using Integers = __m128i;
constexpr int kLanes = 4;
constexpr int kDoubleLanes = 2;
constexpr bool kFmaIsFast = false;
constexpr int kRegisters = 16;

MTCNN_INLINE Vector zero() { return _mm_setzero_ps(); }
MTCNN_INLINE Vector load(const float* p) { return _mm_loadu_ps(p); }
MTCNN_INLINE void store(float* p, Vector v) { _mm_storeu_ps(p, v); }
MTCNN_INLINE Vector broadcast(float v) { return _mm_set1_ps(v); }
MTCNN_INLINE Vector add(Vector a, Vector b) { return _mm_add_ps(a, b); }
MTCNN_INLINE Vector subtract(Vector a, Vector b) { return _mm_sub_ps(a, b); }
MTCNN_INLINE Vector multiply(Vector a, Vector b) { return _mm_mul_ps(a, b); }
// a * b + c, fused or not: for approximations.
MTCNN_INLINE Vector multiply_add(Vector a, Vector b, Vector c) { return _mm_add_ps(_mm_mul_ps(a, b), c); }
MTCNN_INLINE Vector square_root(Vector v) { return _mm_sqrt_ps(v); }

MTCNN_INLINE Doubles low_half(Vector v) { return _mm_cvtps_pd(v); }
MTCNN_INLINE Doubles high_half(Vector v) { return _mm_cvtps_pd(_mm_movehl_ps(v, v)); }
MTCNN_INLINE Vector joined(Doubles low, Doubles high) { return _mm_movelh_ps(_mm_cvtpd_ps(low), _mm_cvtpd_ps(high)); }

// v > best ? v : best
MTCNN_INLINE Vector greater(Vector v, Vector best) { return _mm_max_ps(v, best); }
// v >= 0 ? v : v * slope
MTCNN_INLINE Vector prelu(Vector v, Vector slope) {
    const Vector positive = _mm_cmpge_ps(v, _mm_setzero_ps());
    return _mm_or_ps(_mm_and_ps(positive, v), _mm_andnot_ps(positive, _mm_mul_ps(v, slope)));
}
// Elements 0, 2, 4, … of the concatenation a, b; and 1, 3, 5, …
MTCNN_INLINE Vector even(Vector a, Vector b) { return _mm_shuffle_ps(a, b, 0x88); }
MTCNN_INLINE Vector odd(Vector a, Vector b) { return _mm_shuffle_ps(a, b, 0xDD); }
// Bit i: a[i] <= b[i].
MTCNN_INLINE std::uint32_t less_equal(Vector a, Vector b) {
    return static_cast<std::uint32_t>(_mm_movemask_ps(_mm_cmple_ps(a, b)));
}

MTCNN_INLINE Doubles double_zero() { return _mm_setzero_pd(); }
MTCNN_INLINE Doubles double_broadcast(double v) { return _mm_set1_pd(v); }
MTCNN_INLINE Doubles double_load(const float* p) {
    return _mm_cvtps_pd(_mm_castsi128_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}
// The product of two doubles that were floats is exact, so there is one rounding with or without fusion.
MTCNN_INLINE Doubles double_fma(Doubles a, Doubles b, Doubles c) { return _mm_add_pd(_mm_mul_pd(a, b), c); }
MTCNN_INLINE Doubles double_add(Doubles a, Doubles b) { return _mm_add_pd(a, b); }
// Rounds to float.
MTCNN_INLINE void double_store(float* p, Doubles v) {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_castps_si128(_mm_cvtpd_ps(v)));
}

MTCNN_INLINE __m128i four_bytes(const std::uint8_t* p) {
    int bytes = 0;
    std::memcpy(&bytes, p, sizeof bytes);
    return _mm_cvtsi32_si128(bytes);
}
// The four bytes at base + offsets[i].
MTCNN_INLINE Integers gather(const std::uint8_t* base, const std::int32_t* offsets) {
    const __m128i low = _mm_unpacklo_epi32(four_bytes(base + offsets[0]), four_bytes(base + offsets[1]));
    const __m128i high = _mm_unpacklo_epi32(four_bytes(base + offsets[2]), four_bytes(base + offsets[3]));
    return _mm_unpacklo_epi64(low, high);
}
// The four bytes at base + offsets[i], and the four after them.
MTCNN_INLINE void gather_pairs(const std::uint8_t* base, const std::int32_t* offsets, Integers& low, Integers& high) {
    const auto two = [=](int i) {
        double lower = 0;
        double upper = 0;
        std::memcpy(&lower, base + offsets[i], sizeof lower);
        std::memcpy(&upper, base + offsets[i + 1], sizeof upper);
        return _mm_castpd_ps(_mm_set_pd(upper, lower));
    };
    const Vector first = two(0);
    const Vector second = two(2);
    low = _mm_castps_si128(even(first, second));
    high = _mm_castps_si128(odd(first, second));
}
// Byte number n of each lane, as a float.
template <int n>
MTCNN_INLINE Vector byte_to_float(Integers v) {
    const Integers shifted = n == 0 ? v : _mm_srli_epi32(v, 8 * n);
    return _mm_cvtepi32_ps(n == 3 ? shifted : _mm_and_si128(shifted, _mm_set1_epi32(255)));
}
MTCNN_INLINE Vector gather_float(const std::uint8_t* base, const std::int32_t* offsets) {
    return _mm_castsi128_ps(gather(base, offsets));
}

// a * b + c of floats, rounded to odd: an inexact result becomes the neighbouring double whose last bit is set.
MTCNN_INLINE Doubles sum_to_odd(Doubles a, Doubles b, Doubles c) {
    const Doubles product = _mm_mul_pd(a, b);
    const Doubles sum = _mm_add_pd(product, c);
    // The exact rounding error of the sum.
    const Doubles of_c = _mm_sub_pd(sum, product);
    const Doubles error = _mm_add_pd(_mm_sub_pd(product, _mm_sub_pd(sum, of_c)), _mm_sub_pd(c, of_c));
    // False for NaN: infinite sums do not change.
    const __m128i inexact = _mm_castpd_si128(_mm_cmpgt_pd(_mm_andnot_pd(_mm_set1_pd(-0.0), error), _mm_setzero_pd()));
    const __m128i too_large = _mm_srli_epi64(_mm_castpd_si128(_mm_xor_pd(error, sum)), 63);  // in magnitude
    const __m128i toward_zero = _mm_sub_epi64(_mm_castpd_si128(sum), _mm_and_si128(too_large, inexact));
    return _mm_castsi128_pd(_mm_or_si128(toward_zero, _mm_srli_epi64(inexact, 63)));
}

// The product of two floats is exact in double, and a sum that was rounded to odd is rounded to float correctly.
MTCNN_INLINE Vector fma(Vector a, Vector b, Vector c) {
    return joined(sum_to_odd(low_half(a), low_half(b), low_half(c)),
                  sum_to_odd(high_half(a), high_half(b), high_half(c)));
}

MTCNN_INLINE Vector magnitude(Vector v) { return _mm_andnot_ps(_mm_set1_ps(-0.0F), v); }
// The value of the lowest bit of v that is set, or a smaller number; zero for zero. v must not be negative.
MTCNN_INLINE Vector lowest_bit(Vector v) {
    const Integers bits = _mm_castps_si128(v);
    const Integers without = _mm_and_si128(bits, _mm_add_epi32(bits, _mm_set1_epi32(-1)));
    return _mm_sub_ps(v, _mm_castsi128_ps(without));
}
// The smaller one of v and best; best if v is zero or NaN.
MTCNN_INLINE Vector smaller_except_zero(Vector v, Vector best) {
    return _mm_min_ps(_mm_or_ps(v, _mm_cmpeq_ps(v, _mm_setzero_ps())), best);
}

}  // namespace

#include "fused_sums.h"
