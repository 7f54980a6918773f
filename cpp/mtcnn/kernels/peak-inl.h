// Peak speed of fused multiply-adds. Include this once per instruction set, after its vector header.
#pragma once

#include <cstdint>

#include "unroll.h"

namespace {

// Enough independent sums to fill the pipelines of all current CPUs.
constexpr int kSums = kRegisters == 32 ? 24 : 12;

// The lanes of all sums begin with different numbers that are unknown at compile time. Otherwise the compiler would
// compute equal lanes once, and remove sums that are not used.
double run_multiply_adds(std::int64_t steps) {
    float numbers[kSums * kLanes];
    for (int i = 0; i < kSums * kLanes; ++i) numbers[i] = static_cast<float>(steps % 1000 + i);
    Vector sum[kSums];
    MTCNN_UNROLL
    for (int i = 0; i < kSums; ++i) sum[i] = load(numbers + i * kLanes);
    // Different lanes here too. All are below one, so the sums stay bounded.
    for (int i = 0; i < 2 * kLanes; ++i) numbers[i] = 0.5F + numbers[i] / 16384;
    const Vector factor = load(numbers);
    const Vector term = load(numbers + kLanes);
    for (std::int64_t s = 0; s < steps; ++s) {
        MTCNN_UNROLL
        for (int i = 0; i < kSums; ++i) sum[i] = fma(sum[i], factor, term);
    }
    MTCNN_UNROLL
    for (int i = 0; i < kSums; ++i) store(numbers + i * kLanes, sum[i]);
    // No sum is negative. This loop only prevents the compiler from removing the one above.
    bool negative = false;
    for (const float number : numbers) negative = negative || number < 0;
    return negative ? 0 : 2.0 * kSums * kLanes * static_cast<double>(steps);
}

}  // namespace
