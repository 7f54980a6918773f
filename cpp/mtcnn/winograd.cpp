#include "winograd.h"

#include <cmath>

namespace mtcnn::winograd {
namespace {

// Sum of the elements of the filter with the weights of an element of the transformed filter.
template <class Function>
double sum_of_products(const float* filter, int row, int column, Function of_factor) {
    double sum = 0;
    for (int y = 0; y < 3; ++y) {
        for (int x = 0; x < 3; ++x) {
            sum += of_factor(kWeightRows[row][y] * kWeightColumns[column][x]) * of_factor(filter[y * 3 + x]);
        }
    }
    return sum;
}

}  // namespace

float transformed_weight(const float* filter, int row, int column) {
    return static_cast<float>(sum_of_products(filter, row, column, [](double v) { return v; }));
}

double weight_magnitude(const float* filter, int row, int column) {
    return sum_of_products(filter, row, column, [](double v) { return std::abs(v); });
}

Buffer<float> pack_transformed(const Conv2d& conv, int group) {
    Buffer<float> packed;
    const int groups = (conv.out_maps + group - 1) / group;
    float* to = packed.reserve(static_cast<std::size_t>(groups * group * kRows * kColumns) *
                               static_cast<std::size_t>(conv.in_maps));
    for (int first = 0; first < conv.out_maps; first += group) {
        for (int row = 0; row < kRows; ++row) {
            for (int column = 0; column < kColumns; ++column) {
                for (int in = 0; in < conv.in_maps; ++in, to += group) {
                    for (int g = 0; g < std::min(group, conv.out_maps - first); ++g) {
                        const std::ptrdiff_t filter = std::ptrdiff_t{first + g} * conv.in_maps + in;
                        to[g] = transformed_weight(conv.kernel.data() + filter * 9, row, column);
                    }
                }
            }
        }
    }
    return packed;
}

}  // namespace mtcnn::winograd
