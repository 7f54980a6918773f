#include "packing.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "bit_cast.h"
#include "float_mode.h"

namespace mtcnn {
namespace {

std::size_t group_count(int count, int group) { return static_cast<std::size_t>((count + group - 1) / group); }

}  // namespace

Buffer<float> pack_convolution(const Conv2d& conv, int group) {
    const std::size_t steps = static_cast<std::size_t>(conv.in_maps) * static_cast<std::size_t>(conv.kernel_x) *
                              static_cast<std::size_t>(conv.kernel_y);
    Buffer<float> packed;
    float* to = packed.reserve(group_count(conv.out_maps, group) * steps * static_cast<std::size_t>(group));
    for (int first = 0; first < conv.out_maps; first += group) {
        for (int in = 0; in < conv.in_maps; ++in) {
            for (int x = 0; x < conv.kernel_x; ++x) {
                for (int y = 0; y < conv.kernel_y; ++y, to += group) {
                    for (int g = 0; g < std::min(group, conv.out_maps - first); ++g) {
                        const std::size_t pair =
                            static_cast<std::size_t>(first + g) * static_cast<std::size_t>(conv.in_maps) +
                            static_cast<std::size_t>(in);
                        const std::size_t row =
                            pair * static_cast<std::size_t>(conv.kernel_y) + static_cast<std::size_t>(y);
                        to[g] =
                            conv.kernel[row * static_cast<std::size_t>(conv.kernel_x) + static_cast<std::size_t>(x)];
                    }
                }
            }
        }
    }
    return packed;
}

Magnitudes magnitudes_of(const Conv2d& conv) {
    const DefaultFloatMode mode;
    Magnitudes result{std::numeric_limits<float>::infinity(), 0};
    const std::size_t count = conv.kernel.size() / static_cast<std::size_t>(conv.out_maps);
    for (auto from = conv.kernel.begin(); from != conv.kernel.end();) {
        double sum = 0;
        for (std::size_t i = 0; i < count; ++i, ++from) {
            const float size = std::abs(*from);
            const auto bits = bit_cast<std::uint32_t>(size);
            if (bits != 0) result.lowest_bit = std::min(result.lowest_bit, size - bit_cast<float>(bits & (bits - 1)));
            sum += static_cast<double>(size);
        }
        result.largest_sum = sum <= result.largest_sum ? result.largest_sum : sum;  // keeps NaN
    }
    // Each of the sums is rounded `count` times.
    result.largest_sum *= 1.0001 * std::exp(static_cast<double>(count) * 0x1p-24);
    return result;
}

Buffer<float> pack_fully_connected(const FullyConnected& fc, int group) {
    Buffer<float> packed;
    float* to = packed.reserve(group_count(fc.outputs, group) * static_cast<std::size_t>(fc.inputs) *
                               static_cast<std::size_t>(group));
    for (int first = 0; first < fc.outputs; first += group) {
        for (int in = 0; in < fc.inputs; ++in, to += group) {
            const float* row = fc.weights.data() + std::ptrdiff_t{in} * fc.outputs + first;
            std::copy_n(row, std::min(group, fc.outputs - first), to);
        }
    }
    return packed;
}

Buffer<double> widened(const std::vector<float>& values) {
    const DefaultFloatMode mode;
    Buffer<double> wide;
    std::copy(values.begin(), values.end(), wide.reserve(values.size()));
    return wide;
}

Buffer<float> padded_copy(const std::vector<float>& values) {
    Buffer<float> copy;
    std::copy(values.begin(), values.end(),
              copy.reserve(static_cast<std::size_t>(padded(static_cast<int>(values.size())))));
    return copy;
}

}  // namespace mtcnn
