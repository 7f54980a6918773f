// Four floats: the vector operations of the kernels, Arm's Advanced SIMD (every 64-bit Arm processor).
#pragma once

#include <arm_neon.h>

#include <cstdint>
#include <cstring>

#include "unroll.h"

namespace {

using Vector = float32x4_t;
using Doubles = float64x2_t;  // half as many lanes
using Integers = uint32x4_t;
constexpr int kLanes = 4;
constexpr int kDoubleLanes = 2;
constexpr bool kFmaIsFast = true;
constexpr int kRegisters = 32;

MTCNN_INLINE Vector zero() { return vdupq_n_f32(0); }
MTCNN_INLINE Vector load(const float* p) { return vld1q_f32(p); }
MTCNN_INLINE void store(float* p, Vector v) { vst1q_f32(p, v); }
MTCNN_INLINE Vector broadcast(float v) { return vdupq_n_f32(v); }
MTCNN_INLINE Vector fma(Vector a, Vector b, Vector c) { return vfmaq_f32(c, a, b); }
MTCNN_INLINE Vector add(Vector a, Vector b) { return vaddq_f32(a, b); }
MTCNN_INLINE Vector subtract(Vector a, Vector b) { return vsubq_f32(a, b); }
MTCNN_INLINE Vector multiply(Vector a, Vector b) { return vmulq_f32(a, b); }
// a * b + c, fused or not: for approximations.
MTCNN_INLINE Vector multiply_add(Vector a, Vector b, Vector c) { return vfmaq_f32(c, a, b); }
MTCNN_INLINE Vector square_root(Vector v) { return vsqrtq_f32(v); }
// v > best ? v : best
MTCNN_INLINE Vector greater(Vector v, Vector best) { return vbslq_f32(vcgtq_f32(v, best), v, best); }
// v >= 0 ? v : v * slope
MTCNN_INLINE Vector prelu(Vector v, Vector slope) { return vbslq_f32(vcgezq_f32(v), v, vmulq_f32(v, slope)); }
// Elements 0, 2, 4, … of the concatenation a, b; and 1, 3, 5, …
MTCNN_INLINE Vector even(Vector a, Vector b) { return vuzp1q_f32(a, b); }
MTCNN_INLINE Vector odd(Vector a, Vector b) { return vuzp2q_f32(a, b); }
// Bit i: a[i] <= b[i].
MTCNN_INLINE std::uint32_t less_equal(Vector a, Vector b) {
    const std::uint32_t bits[kLanes] = {1, 2, 4, 8};
    return vaddvq_u32(vandq_u32(vcleq_f32(a, b), vld1q_u32(bits)));
}

MTCNN_INLINE Doubles double_zero() { return vdupq_n_f64(0); }
MTCNN_INLINE Doubles double_broadcast(double v) { return vdupq_n_f64(v); }
MTCNN_INLINE Doubles double_load(const float* p) { return vcvt_f64_f32(vld1_f32(p)); }
MTCNN_INLINE Doubles double_fma(Doubles a, Doubles b, Doubles c) { return vfmaq_f64(c, a, b); }
MTCNN_INLINE Doubles double_add(Doubles a, Doubles b) { return vaddq_f64(a, b); }
// Rounds to float.
MTCNN_INLINE void double_store(float* p, Doubles v) { vst1_f32(p, vcvt_f32_f64(v)); }

MTCNN_INLINE std::uint32_t load_four_bytes(const std::uint8_t* p) {
    std::uint32_t bytes = 0;
    std::memcpy(&bytes, p, sizeof bytes);
    return bytes;
}
// The four bytes at base + offsets[i].
MTCNN_INLINE Integers gather(const std::uint8_t* base, const std::int32_t* offsets) {
    Integers v = vdupq_n_u32(load_four_bytes(base + offsets[0]));
    v = vsetq_lane_u32(load_four_bytes(base + offsets[1]), v, 1);
    v = vsetq_lane_u32(load_four_bytes(base + offsets[2]), v, 2);
    return vsetq_lane_u32(load_four_bytes(base + offsets[3]), v, 3);
}
// The four bytes at base + offsets[i], and the four after them.
MTCNN_INLINE void gather_pairs(const std::uint8_t* base, const std::int32_t* offsets, Integers& low, Integers& high) {
    const auto two = [=](int i) {
        return vreinterpretq_u32_u8(vcombine_u8(vld1_u8(base + offsets[i]), vld1_u8(base + offsets[i + 1])));
    };
    const Integers first = two(0);
    const Integers second = two(2);
    low = vuzp1q_u32(first, second);
    high = vuzp2q_u32(first, second);
}
// Byte number n of each lane, as a float.
template <int n>
MTCNN_INLINE Vector byte_to_float(Integers v) {
    if constexpr (n > 0) v = vshrq_n_u32(v, 8 * n);
    return vcvtq_f32_u32(n == 3 ? v : vandq_u32(v, vdupq_n_u32(255)));
}
MTCNN_INLINE Vector gather_float(const std::uint8_t* base, const std::int32_t* offsets) {
    return vreinterpretq_f32_u32(gather(base, offsets));
}

}  // namespace

#include "fused_sums.h"
