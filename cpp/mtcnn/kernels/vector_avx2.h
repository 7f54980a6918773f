// Eight floats: the vector operations of the kernels, AVX2 with FMA.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "gather_x86.h"
#include "unroll.h"

namespace {

using Vector = __m256;
using Doubles = __m256d;  // half as many lanes
using Integers = __m256i;
constexpr int kLanes = 8;
constexpr int kDoubleLanes = 4;
constexpr bool kFmaIsFast = true;
constexpr int kRegisters = 16;

MTCNN_INLINE Vector zero() { return _mm256_setzero_ps(); }
MTCNN_INLINE Vector load(const float* p) { return _mm256_loadu_ps(p); }
MTCNN_INLINE void store(float* p, Vector v) { _mm256_storeu_ps(p, v); }
MTCNN_INLINE Vector broadcast(float v) { return _mm256_set1_ps(v); }
MTCNN_INLINE Vector fma(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
MTCNN_INLINE Vector add(Vector a, Vector b) { return _mm256_add_ps(a, b); }
MTCNN_INLINE Vector subtract(Vector a, Vector b) { return _mm256_sub_ps(a, b); }
MTCNN_INLINE Vector multiply(Vector a, Vector b) { return _mm256_mul_ps(a, b); }
// a * b + c, fused or not: for approximations.
MTCNN_INLINE Vector multiply_add(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
MTCNN_INLINE Vector square_root(Vector v) { return _mm256_sqrt_ps(v); }
// v > best ? v : best
MTCNN_INLINE Vector greater(Vector v, Vector best) { return _mm256_max_ps(v, best); }
// v >= 0 ? v : v * slope
MTCNN_INLINE Vector prelu(Vector v, Vector slope) {
    return _mm256_blendv_ps(_mm256_mul_ps(v, slope), v, _mm256_cmp_ps(v, _mm256_setzero_ps(), _CMP_GE_OQ));
}
// Elements 0, 2, 4, … of the concatenation a, b; and 1, 3, 5, …
MTCNN_INLINE Vector pairs_in_order(Vector v) {
    return _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(v), 0xD8));
}
MTCNN_INLINE Vector even(Vector a, Vector b) { return pairs_in_order(_mm256_shuffle_ps(a, b, 0x88)); }
MTCNN_INLINE Vector odd(Vector a, Vector b) { return pairs_in_order(_mm256_shuffle_ps(a, b, 0xDD)); }
// Bit i: a[i] <= b[i].
MTCNN_INLINE std::uint32_t less_equal(Vector a, Vector b) {
    return static_cast<std::uint32_t>(_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_LE_OQ)));
}

MTCNN_INLINE Doubles double_zero() { return _mm256_setzero_pd(); }
MTCNN_INLINE Doubles double_broadcast(double v) { return _mm256_set1_pd(v); }
MTCNN_INLINE Doubles double_load(const float* p) { return _mm256_cvtps_pd(_mm_loadu_ps(p)); }
MTCNN_INLINE Doubles double_fma(Doubles a, Doubles b, Doubles c) { return _mm256_fmadd_pd(a, b, c); }
MTCNN_INLINE Doubles double_add(Doubles a, Doubles b) { return _mm256_add_pd(a, b); }
// Rounds to float.
MTCNN_INLINE void double_store(float* p, Doubles v) { _mm_storeu_ps(p, _mm256_cvtpd_ps(v)); }

// The four bytes at base + offsets[i].
MTCNN_INLINE Integers gather(const std::uint8_t* base, const std::int32_t* offsets) {
    return _mm256_set_m128i(gather_four(base, offsets + 4), gather_four(base, offsets));
}
// The four bytes at base + offsets[i], and the four after them.
MTCNN_INLINE void gather_pairs(const std::uint8_t* base, const std::int32_t* offsets, Integers& low, Integers& high) {
    const auto halves = [=](int i) {
        const __m256d lower = _mm256_castpd128_pd256(load_pair(base, offsets[i], offsets[i + 1]));
        return _mm256_castpd_ps(_mm256_insertf128_pd(lower, load_pair(base, offsets[i + 4], offsets[i + 5]), 1));
    };
    const Vector first = halves(0);  // numbers 0, 1, 4, 5
    const Vector second = halves(2);
    low = _mm256_castps_si256(_mm256_shuffle_ps(first, second, 0x88));
    high = _mm256_castps_si256(_mm256_shuffle_ps(first, second, 0xDD));
}
// Byte number n of each lane, as a float.
template <int n>
MTCNN_INLINE Vector byte_to_float(Integers v) {
    const Integers shifted = n == 0 ? v : _mm256_srli_epi32(v, 8 * n);
    return _mm256_cvtepi32_ps(n == 3 ? shifted : _mm256_and_si256(shifted, _mm256_set1_epi32(255)));
}
MTCNN_INLINE Vector gather_float(const std::uint8_t* base, const std::int32_t* offsets) {
    return _mm256_castsi256_ps(gather(base, offsets));
}

}  // namespace

#include "fused_sums.h"
