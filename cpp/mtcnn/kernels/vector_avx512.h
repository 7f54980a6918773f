// Sixteen floats: the vector operations of the kernels, AVX-512F.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "gather_x86.h"
#include "unroll.h"

namespace {

using Vector = __m512;
using Doubles = __m512d;  // half as many lanes
using Integers = __m512i;
constexpr int kLanes = 16;
constexpr int kDoubleLanes = 8;
constexpr bool kFmaIsFast = true;
constexpr int kRegisters = 32;

MTCNN_INLINE Vector zero() { return _mm512_setzero_ps(); }
MTCNN_INLINE Vector load(const float* p) { return _mm512_loadu_ps(p); }
MTCNN_INLINE void store(float* p, Vector v) { _mm512_storeu_ps(p, v); }
MTCNN_INLINE Vector broadcast(float v) { return _mm512_set1_ps(v); }
MTCNN_INLINE Vector fma(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
MTCNN_INLINE Vector add(Vector a, Vector b) { return _mm512_add_ps(a, b); }
MTCNN_INLINE Vector subtract(Vector a, Vector b) { return _mm512_sub_ps(a, b); }
MTCNN_INLINE Vector multiply(Vector a, Vector b) { return _mm512_mul_ps(a, b); }
// a * b + c, fused or not: for approximations.
MTCNN_INLINE Vector multiply_add(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
MTCNN_INLINE Vector square_root(Vector v) { return _mm512_sqrt_ps(v); }
// v > best ? v : best
MTCNN_INLINE Vector greater(Vector v, Vector best) { return _mm512_max_ps(v, best); }
// v >= 0 ? v : v * slope
MTCNN_INLINE Vector prelu(Vector v, Vector slope) {
    return _mm512_mask_mul_ps(v, _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_NGE_UQ), v, slope);
}
// Elements 0, 2, 4, … of the concatenation a, b; and 1, 3, 5, …
MTCNN_INLINE Vector even(Vector a, Vector b) {
    const Integers at = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    return _mm512_permutex2var_ps(a, at, b);
}
MTCNN_INLINE Vector odd(Vector a, Vector b) {
    const Integers at = _mm512_set_epi32(31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
    return _mm512_permutex2var_ps(a, at, b);
}
// Bit i: a[i] <= b[i].
MTCNN_INLINE std::uint32_t less_equal(Vector a, Vector b) { return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ); }

MTCNN_INLINE Doubles double_zero() { return _mm512_setzero_pd(); }
MTCNN_INLINE Doubles double_broadcast(double v) { return _mm512_set1_pd(v); }
MTCNN_INLINE Doubles double_load(const float* p) { return _mm512_cvtps_pd(_mm256_loadu_ps(p)); }
MTCNN_INLINE Doubles double_fma(Doubles a, Doubles b, Doubles c) { return _mm512_fmadd_pd(a, b, c); }
MTCNN_INLINE Doubles double_add(Doubles a, Doubles b) { return _mm512_add_pd(a, b); }
// Rounds to float.
MTCNN_INLINE void double_store(float* p, Doubles v) { _mm256_storeu_ps(p, _mm512_cvtpd_ps(v)); }

// The four bytes at base + offsets[i].
MTCNN_INLINE Integers gather(const std::uint8_t* base, const std::int32_t* offsets) {
    const __m256i low = _mm256_set_m128i(gather_four(base, offsets + 4), gather_four(base, offsets));
    const __m256i high = _mm256_set_m128i(gather_four(base, offsets + 12), gather_four(base, offsets + 8));
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}
// The four bytes at base + offsets[i], and the four after them.
MTCNN_INLINE void gather_pairs(const std::uint8_t* base, const std::int32_t* offsets, Integers& low, Integers& high) {
    const auto half = [=](int i) {
        const __m256d lower = _mm256_castpd128_pd256(load_pair(base, offsets[i], offsets[i + 1]));
        return _mm256_insertf128_pd(lower, load_pair(base, offsets[i + 4], offsets[i + 5]), 1);
    };
    const auto quarters = [=](int i) {
        return _mm512_castpd_ps(_mm512_insertf64x4(_mm512_castpd256_pd512(half(i)), half(i + 8), 1));
    };
    const Vector first = quarters(0);  // numbers 0, 1, 4, 5, 8, 9, 12, 13
    const Vector second = quarters(2);
    low = _mm512_castps_si512(_mm512_shuffle_ps(first, second, 0x88));
    high = _mm512_castps_si512(_mm512_shuffle_ps(first, second, 0xDD));
}
// Byte number n of each lane, as a float.
template <int n>
MTCNN_INLINE Vector byte_to_float(Integers v) {
    const Integers shifted = n == 0 ? v : _mm512_srli_epi32(v, 8 * n);
    return _mm512_cvtepi32_ps(n == 3 ? shifted : _mm512_and_si512(shifted, _mm512_set1_epi32(255)));
}
MTCNN_INLINE Vector gather_float(const std::uint8_t* base, const std::int32_t* offsets) {
    return _mm512_castsi512_ps(gather(base, offsets));
}

}  // namespace

#include "fused_sums.h"
