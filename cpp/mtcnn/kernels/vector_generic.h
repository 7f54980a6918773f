// Four floats in an array: the vector operations of the kernels, in plain C++. The compiler makes
// vector instructions of it where the target has a fused multiply-add (Arm); elsewhere fmaf does it in software.
#pragma once

#include <math.h>
#include <cstdint>
#include <cstring>

#include "unroll.h"

namespace {

constexpr int kLanes = 4;
constexpr int kDoubleLanes = 2;
constexpr bool kFmaIsFast = true;
#if defined(__aarch64__)
constexpr int kRegisters = 32;
#else
constexpr int kRegisters = 16;
#endif

struct Vector {
    float at[kLanes];
};
struct Doubles {
    double at[kDoubleLanes];
};
struct Integers {
    std::uint32_t at[kLanes];
};

template <class F>
MTCNN_INLINE Vector lanes(F f) {
    Vector v{};
    MTCNN_UNROLL
    for (int i = 0; i < kLanes; ++i) v.at[i] = f(i);
    return v;
}
template <class F>
MTCNN_INLINE Doubles double_lanes(F f) {
    Doubles v{};
    MTCNN_UNROLL
    for (int i = 0; i < kDoubleLanes; ++i) v.at[i] = f(i);
    return v;
}

MTCNN_INLINE Vector zero() { return Vector{}; }
MTCNN_INLINE Vector load(const float* p) {
    Vector v{};
    std::memcpy(v.at, p, sizeof v.at);
    return v;
}
MTCNN_INLINE void store(float* p, Vector v) { std::memcpy(p, v.at, sizeof v.at); }
MTCNN_INLINE Vector broadcast(float v) {
    return lanes([=](int) { return v; });
}
// fmaf, because std::fma is an inline function: a build without optimisation would keep a copy that is shared.
MTCNN_INLINE Vector fma(Vector a, Vector b, Vector c) {
    return lanes([=](int i) { return fmaf(a.at[i], b.at[i], c.at[i]); });
}
MTCNN_INLINE Vector add(Vector a, Vector b) {
    return lanes([=](int i) { return a.at[i] + b.at[i]; });
}
MTCNN_INLINE Vector subtract(Vector a, Vector b) {
    return lanes([=](int i) { return a.at[i] - b.at[i]; });
}
MTCNN_INLINE Vector multiply(Vector a, Vector b) {
    return lanes([=](int i) { return a.at[i] * b.at[i]; });
}
// a * b + c, fused or not: for approximations.
MTCNN_INLINE Vector multiply_add(Vector a, Vector b, Vector c) {
    return lanes([=](int i) { return a.at[i] * b.at[i] + c.at[i]; });
}
MTCNN_INLINE Vector square_root(Vector v) {
    return lanes([=](int i) { return sqrtf(v.at[i]); });
}
MTCNN_INLINE Vector greater(Vector v, Vector best) {
    return lanes([=](int i) { return v.at[i] > best.at[i] ? v.at[i] : best.at[i]; });
}
MTCNN_INLINE Vector prelu(Vector v, Vector slope) {
    return lanes([=](int i) { return v.at[i] >= 0 ? v.at[i] : v.at[i] * slope.at[i]; });
}
MTCNN_INLINE Vector even(Vector a, Vector b) {
    return lanes([=](int i) { return 2 * i < kLanes ? a.at[2 * i] : b.at[2 * i - kLanes]; });
}
MTCNN_INLINE Vector odd(Vector a, Vector b) {
    return lanes([=](int i) { return 2 * i < kLanes ? a.at[2 * i + 1] : b.at[2 * i + 1 - kLanes]; });
}
MTCNN_INLINE std::uint32_t less_equal(Vector a, Vector b) {
    std::uint32_t bits = 0;
    for (int i = 0; i < kLanes; ++i) bits |= static_cast<std::uint32_t>(a.at[i] <= b.at[i]) << i;
    return bits;
}

MTCNN_INLINE Doubles double_zero() { return Doubles{}; }
MTCNN_INLINE Doubles double_broadcast(double v) {
    return double_lanes([=](int) { return v; });
}
MTCNN_INLINE Doubles double_load(const float* p) {
    return double_lanes([=](int i) { return static_cast<double>(p[i]); });
}
// The product of two doubles that were floats is exact: fused or not, one rounding.
MTCNN_INLINE Doubles double_fma(Doubles a, Doubles b, Doubles c) {
    return double_lanes([=](int i) { return a.at[i] * b.at[i] + c.at[i]; });
}
MTCNN_INLINE Doubles double_add(Doubles a, Doubles b) {
    return double_lanes([=](int i) { return a.at[i] + b.at[i]; });
}
MTCNN_INLINE void double_store(float* p, Doubles v) {
    for (int i = 0; i < kDoubleLanes; ++i) p[i] = static_cast<float>(v.at[i]);
}

MTCNN_INLINE Integers gather(const std::uint8_t* base, const std::int32_t* offsets) {
    Integers v{};
    for (int i = 0; i < kLanes; ++i) std::memcpy(&v.at[i], base + offsets[i], 4);
    return v;
}
MTCNN_INLINE void gather_pairs(const std::uint8_t* base, const std::int32_t* offsets, Integers& low, Integers& high) {
    low = gather(base, offsets);
    high = gather(base + 4, offsets);
}
template <int n>
MTCNN_INLINE Vector byte_to_float(Integers v) {
    return lanes([=](int i) {
        std::uint8_t bytes[4];
        std::memcpy(bytes, &v.at[i], 4);
        return static_cast<float>(bytes[n]);
    });
}
MTCNN_INLINE Vector gather_float(const std::uint8_t* base, const std::int32_t* offsets) {
    Vector v{};
    for (int i = 0; i < kLanes; ++i) std::memcpy(&v.at[i], base + offsets[i], 4);
    return v;
}

}  // namespace

#include "fused_sums.h"
