// Sums of products with one rounding for each product, by `fma`. Include this after the vector operations.
#pragma once

#include "unroll.h"

namespace {

struct FusedSums {
    static constexpr int kRegisters = kFmaIsFast ? 1 : 2;  // of one sum, and for its computation
    static constexpr bool kMayDoubt = false;
    using Factor = Vector;
    using Sum = Vector;
    struct Doubt {};

    MTCNN_INLINE static Factor load_factor(const float* p) { return load(p); }
    MTCNN_INLINE static Factor broadcast_factor(float v) { return broadcast(v); }
    MTCNN_INLINE static Sum zero_sum() { return zero(); }
    // sum + a * b
    MTCNN_INLINE static Sum add_product(Sum sum, Factor a, Factor b, Doubt& /*doubt*/) { return fma(a, b, sum); }
    MTCNN_INLINE static Vector to_vector(Sum sum) { return sum; }
    MTCNN_INLINE static bool is_set(Doubt /*doubt*/) { return false; }
};

}  // namespace
