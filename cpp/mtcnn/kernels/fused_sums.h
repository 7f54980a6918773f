// Sums of products with one rounding for each product, by `fma`. Include this after the vector operations.
#pragma once

#include "unroll.h"

namespace {

struct FusedSums {
    static constexpr int kRegisters = kFmaIsFast ? 1 : 2;  // of one sum, and for its computation
    using Factor = Vector;
    using Sum = Vector;

    MTCNN_INLINE static Factor load_factor(const float* p) { return load(p); }
    MTCNN_INLINE static Factor broadcast_factor(float v) { return broadcast(v); }
    MTCNN_INLINE static Sum zero_sum() { return zero(); }
    // sum + a * b
    MTCNN_INLINE static Sum add_product(Sum sum, Factor a, Factor b) { return fma(a, b, sum); }
    MTCNN_INLINE static Vector to_vector(Sum sum) { return sum; }
};

}  // namespace
