// The peak of fused multiply-adds. Included once per instruction set, after its vector header.
#pragma once

#include <cstdint>

#include "unroll.h"

namespace {

// Enough independent sums to fill the pipes of any processor so far.
constexpr int kBurnSums = kRegisters == 32 ? 24 : 12;

// Every lane of every sum begins with a number of its own that is known only when the program runs: equal lanes would
// be computed once, and a sum that nobody reads would not be computed at all.
double burn(std::int64_t steps) {
    float numbers[kBurnSums * kLanes];
    for (int i = 0; i < kBurnSums * kLanes; ++i) numbers[i] = static_cast<float>(steps % 1000 + i);
    Vector sum[kBurnSums];
    MTCNN_UNROLL
    for (int i = 0; i < kBurnSums; ++i) sum[i] = load(numbers + i * kLanes);
    // Lanes of their own here too. All below one: the sums stay bounded.
    for (int i = 0; i < 2 * kLanes; ++i) numbers[i] = 0.5F + numbers[i] / 16384;
    const Vector factor = load(numbers);
    const Vector term = load(numbers + kLanes);
    for (std::int64_t s = 0; s < steps; ++s) {
        MTCNN_UNROLL
        for (int i = 0; i < kBurnSums; ++i) sum[i] = fma(sum[i], factor, term);
    }
    MTCNN_UNROLL
    for (int i = 0; i < kBurnSums; ++i) store(numbers + i * kLanes, sum[i]);
    // No sum is negative: the loop only keeps the compiler from dropping the one above.
    bool negative = false;
    for (const float number : numbers) negative = negative || number < 0;
    return negative ? 0 : 2.0 * kBurnSums * kLanes * static_cast<double>(steps);
}

}  // namespace
