// Lower bounds of the differences of PNet's logits. Include this once per instruction set, after its vector header and
// planar-inl.h.
//
// The convolution is computed with Winograd's method, F(4, 3) over rows and F(2, 3) over columns: 24 products
// replace 72. docs/heat-map-filter.md has the transforms and the bound of the error.
#pragma once

#include <math.h>

#include "kernels.h"
#include "planar-inl.h"

namespace {

using mtcnn::DifferenceBounds;
using mtcnn::kBoundsPairs;

constexpr int kTransformRows = 6;     // rows of a transformed window
constexpr int kTransformColumns = 4;  // columns of a transformed window
constexpr int kBoundsRows = 4;        // rows of results
constexpr int kBoundsVectors = 3;
constexpr int kBoundsMaps = kRegisters == 32 ? 8 : 4;
static_assert(kBoundsPairs % (kBoundsVectors * kLanes) == 0);

// The transformed input: kTransformRows x kTransformColumns planes of in_maps x kBoundsPairs.
MTCNN_INLINE void transform_rows(const Vector (&in)[kTransformRows], float* out, std::ptrdiff_t row_stride) {
    const Vector two = broadcast(2);
    const Vector four = broadcast(4);
    const Vector minus_four = broadcast(-4);
    const Vector minus_five = broadcast(-5);
    store(out, multiply_add(four, in[0], multiply_add(minus_five, in[2], in[4])));
    const Vector near_sum = multiply_add(minus_four, in[2], in[4]);
    const Vector near_difference = multiply_add(minus_four, in[1], in[3]);
    store(out + row_stride, add(near_sum, near_difference));
    store(out + 2 * row_stride, subtract(near_sum, near_difference));
    const Vector far_sum = subtract(in[4], in[2]);
    const Vector far_difference = multiply(two, subtract(in[3], in[1]));
    store(out + 3 * row_stride, add(far_sum, far_difference));
    store(out + 4 * row_stride, subtract(far_sum, far_difference));
    store(out + 5 * row_stride, multiply_add(four, in[1], multiply_add(minus_five, in[3], in[5])));
}

MTCNN_INLINE void transform_input(const DifferenceBounds& a, int pairs) {
    const std::ptrdiff_t plane = std::ptrdiff_t{a.in_maps} * kBoundsPairs;
    for (int c = 0; c < a.in_maps; ++c) {
        for (int j = 0; j < pairs; j += kLanes) {
            Vector columns[kTransformColumns][kTransformRows];
            MTCNN_UNROLL
            for (int r = 0; r < kTransformRows; ++r) {
                const float* in = a.rows[r] + c * a.map_stride + 2 * j;
                const Vector low = load(in);
                const Vector high = load(in + kLanes);
                const Vector next_low = load(in + 2);
                const Vector next_high = load(in + 2 + kLanes);
                const Vector first = even(low, high);
                const Vector second = odd(low, high);
                const Vector third = even(next_low, next_high);
                const Vector fourth = odd(next_low, next_high);
                columns[0][r] = subtract(first, third);
                columns[1][r] = add(second, third);
                columns[2][r] = subtract(third, second);
                columns[3][r] = subtract(second, fourth);
            }
            float* out = a.scratch + std::ptrdiff_t{c} * kBoundsPairs + j;
            MTCNN_UNROLL
            for (int s = 0; s < kTransformColumns; ++s) {
                transform_rows(columns[s], out + s * plane, kTransformColumns * plane);
            }
        }
    }
}

// Writes the bounds of the errors of `pairs` pairs of results.
MTCNN_INLINE void bound_errors(const DifferenceBounds& a, int pairs, float* errors) {
    float squares[2 * kBoundsPairs + 2 * kLanes];
    const int end = (pairs + kLanes - 1) / kLanes * kLanes;  // full vectors
    for (int x = 0; x < 2 * end + 2; x += kLanes) {
        Vector sum = zero();
        for (int c = 0; c < a.in_maps; ++c) {
            MTCNN_UNROLL
            for (int r = 0; r < kTransformRows; ++r) {
                const Vector value = load(a.rows[r] + c * a.map_stride + x);
                sum = multiply_add(value, value, sum);
            }
        }
        store(squares + x, sum);
    }
    for (int j = 0; j < end; j += kLanes) {
        const float* at = squares + 2 * j;
        const Vector first = add(even(load(at), load(at + kLanes)), odd(load(at), load(at + kLanes)));
        const Vector second = add(even(load(at + 2), load(at + 2 + kLanes)), odd(load(at + 2), load(at + 2 + kLanes)));
        const Vector norm = square_root(add(first, second));
        store(errors + j, multiply_add(broadcast(a.relative), norm, broadcast(a.absolute)));
    }
}

// The products of a group of output maps for kVectors vectors of pairs, transformed over columns:
// out[row][column of the pair][map][vector].
template <int kVectors>
MTCNN_INLINE void multiply_transformed(const DifferenceBounds& a, const float* weights, int j, float* out) {
    constexpr int kResults = kBoundsMaps * kVectors;
    const std::ptrdiff_t plane = std::ptrdiff_t{a.in_maps} * kBoundsPairs;
    const float* in = a.scratch + j;
    for (int r = 0; r < kTransformRows; ++r, out += std::ptrdiff_t{2} * kResults * kLanes) {
        for (int s = 0; s < kTransformColumns; ++s, in += plane) {
            Vector sum[kBoundsMaps][kVectors];
            MTCNN_UNROLL
            for (int m = 0; m < kBoundsMaps; ++m) {
                MTCNN_UNROLL
                for (int v = 0; v < kVectors; ++v) sum[m][v] = zero();
            }
            const float* pixels = in;
            for (int c = 0; c < a.in_maps; ++c, pixels += kBoundsPairs, weights += kBoundsMaps) {
                Vector pixel[kVectors];
                MTCNN_UNROLL
                for (int v = 0; v < kVectors; ++v) pixel[v] = load(pixels + v * kLanes);
                MTCNN_UNROLL
                for (int m = 0; m < kBoundsMaps; ++m) {
                    const Vector weight = broadcast(weights[m]);
                    MTCNN_UNROLL
                    for (int v = 0; v < kVectors; ++v) sum[m][v] = multiply_add(pixel[v], weight, sum[m][v]);
                }
            }
            MTCNN_UNROLL
            for (int m = 0; m < kBoundsMaps; ++m) {
                MTCNN_UNROLL
                for (int v = 0; v < kVectors; ++v) {
                    float* even_result = out + std::ptrdiff_t{m * kVectors + v} * kLanes;
                    float* odd_result = even_result + std::ptrdiff_t{kResults} * kLanes;
                    // even: 0 + 1 + 2; odd: 1 - 2 - 3
                    if (s == 0) {
                        store(even_result, sum[m][v]);
                    } else if (s == 1) {
                        store(even_result, add(load(even_result), sum[m][v]));
                        store(odd_result, sum[m][v]);
                    } else if (s == 2) {
                        store(even_result, add(load(even_result), sum[m][v]));
                        store(odd_result, subtract(load(odd_result), sum[m][v]));
                    } else {
                        store(odd_result, subtract(load(odd_result), sum[m][v]));
                    }
                }
            }
        }
    }
}

template <int kVectors>
MTCNN_INLINE void bound_tile(const DifferenceBounds& a, int j, const float* errors) {
    constexpr int kResults = kBoundsMaps * kVectors;
    constexpr int kRowSize = 2 * kResults * kLanes;
    float products[kTransformRows * kRowSize];
    Vector difference[kBoundsRows][2][kVectors];
    for (int r = 0; r < kBoundsRows; ++r) {
        for (int s = 0; s < 2; ++s) {
            for (int v = 0; v < kVectors; ++v) difference[r][s][v] = broadcast(a.offset);
        }
    }
    const float* weights = a.weights;
    const std::ptrdiff_t group = std::ptrdiff_t{kTransformRows * kTransformColumns} * a.in_maps * kBoundsMaps;
    for (int first = 0; first < a.out_maps; first += kBoundsMaps, weights += group) {
        multiply_transformed<kVectors>(a, weights, j, products);
        const int maps = a.out_maps - first < kBoundsMaps ? a.out_maps - first : kBoundsMaps;
        for (int m = 0; m < maps; ++m) {
            const Vector bias = broadcast(a.bias[first + m]);
            const Vector slope = broadcast(a.slopes[first + m]);
            const Vector direction = broadcast(a.directions[first + m]);
            MTCNN_UNROLL
            for (int s = 0; s < 2; ++s) {
                MTCNN_UNROLL
                for (int v = 0; v < kVectors; ++v) {
                    const float* at = products + std::ptrdiff_t{(s * kBoundsMaps + m) * kVectors + v} * kLanes;
                    Vector row[kTransformRows];
                    MTCNN_UNROLL
                    for (int r = 0; r < kTransformRows; ++r) row[r] = load(at + std::ptrdiff_t{r} * kRowSize);
                    const Vector near_sum = add(row[1], row[2]);
                    const Vector near_difference = subtract(row[1], row[2]);
                    const Vector far_sum = add(row[3], row[4]);
                    const Vector far_difference = subtract(row[3], row[4]);
                    const Vector result[kBoundsRows] = {
                        add(add(row[0], near_sum), far_sum),
                        multiply_add(broadcast(2), far_difference, near_difference),
                        multiply_add(broadcast(4), far_sum, near_sum),
                        add(multiply_add(broadcast(8), far_difference, near_difference), row[5])};
                    MTCNN_UNROLL
                    for (int r = 0; r < kBoundsRows; ++r) {
                        const Vector value = prelu(add(result[r], bias), slope);
                        difference[r][s][v] = multiply_add(direction, value, difference[r][s][v]);
                    }
                }
            }
        }
    }
    const Vector lowest = broadcast(-INFINITY);
    for (int v = 0; v < kVectors; ++v) {
        const Vector error = load(errors + j + v * kLanes);
        for (int r = 0; r < kBoundsRows; ++r) {
            float lower[2][kLanes];
            for (int s = 0; s < 2; ++s) store(lower[s], greater(subtract(difference[r][s][v], error), lowest));
            float* out = a.out + r * a.out_stride + 2 * (j + v * kLanes);
            for (int i = 0; i < kLanes; ++i) {
                out[2 * i] = lower[0][i];
                out[2 * i + 1] = lower[1][i];
            }
        }
    }
}

void bound_differences(const DifferenceBounds& a) {
    float errors[kBoundsPairs];
    const int pairs = (a.width + 1) / 2;
    transform_input(a, pairs);
    bound_errors(a, pairs, errors);
    int left = (pairs + kLanes - 1) / kLanes;
    int j = 0;
    for (; left >= kBoundsVectors; left -= kBoundsVectors, j += kBoundsVectors * kLanes) {
        bound_tile<kBoundsVectors>(a, j, errors);
    }
    if (left == 2) bound_tile<2>(a, j, errors);
    if (left == 1) bound_tile<1>(a, j, errors);
}

}  // namespace
