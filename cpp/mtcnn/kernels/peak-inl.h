// Peak speed of fused multiply-adds. Include this once per instruction set, after its vector header.
#pragma once

#include <cstdint>

#include "unroll.h"

namespace {

// Enough independent sums to fill the pipelines of all current CPUs.
#if defined(MTCNN_DOUBLE_SUMS)
using PeakSums = DoubleSums<false>;
#else
using PeakSums = FusedSums;
#endif
constexpr int kSums = kRegisters == 32 ? 24 : 12 / PeakSums::kRegisters;

// The lanes of all sums begin with different numbers that are unknown at compile time. Otherwise the compiler would
// compute equal lanes once, and remove sums that are not used.
double run_multiply_adds(std::int64_t steps) {
    float numbers[kSums * kLanes];
    // Not whole numbers: their sums would often be half way between two floats, which is slower without fusion.
    for (int i = 0; i < kSums * kLanes; ++i) numbers[i] = 0.6180340F * static_cast<float>(steps % 1000 + i + 1);
    PeakSums::Sum sum[kSums];
    MTCNN_UNROLL
    for (int i = 0; i < kSums; ++i) {
        const auto number = PeakSums::load_factor(numbers + i * kLanes);
        sum[i] = PeakSums::add_product(PeakSums::zero_sum(), number, PeakSums::broadcast_factor(1));
    }
    for (std::int64_t s = 0; s < steps; ++s) {
        // The factors change, so that no product can be computed before the loop.
        const float* at = numbers + s % 2 * kLanes;
        const PeakSums::Factor factors[3] = {PeakSums::load_factor(at), PeakSums::load_factor(at + kLanes),
                                             PeakSums::load_factor(at + std::ptrdiff_t{2} * kLanes)};
        MTCNN_UNROLL
        for (int i = 0; i < kSums; ++i) {
            sum[i] = PeakSums::add_product(sum[i], factors[i % 3], factors[(i + 1) % 3]);
        }
    }
    MTCNN_UNROLL
    for (int i = 0; i < kSums; ++i) store(numbers + i * kLanes, PeakSums::to_vector(sum[i]));
    // No sum is negative. This loop only prevents the compiler from removing the one above.
    bool negative = false;
    for (const float number : numbers) negative = negative || number < 0;
    return negative ? 0 : 2.0 * kSums * kLanes * static_cast<double>(steps);
}

}  // namespace
