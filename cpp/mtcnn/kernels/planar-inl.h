// Loops over planar maps, lanes over pixels. Include this once per instruction set, after its vector header.
#pragma once

#include "kernels.h"

namespace {

using mtcnn::PlanarConvolution;
using mtcnn::PlanarFullyConnected;
using mtcnn::PlanarPooling;

// A tile consists of `maps` output maps for `vectors` vectors of pixels. All of its sums are in registers.
template <class Sums>
constexpr int kPlanarVectors = Sums::kRegisters == 1 ? 3 : 1;
constexpr int kPlanarMaps = kRegisters == 32 ? 8 : 4;
// A tile shape with the same number of registers, for a number of maps that is not a multiple of kPlanarMaps (PNet:
// 10).
template <class Sums>
constexpr int kPlanarTallVectors = Sums::kRegisters == 1 ? 2 : 1;
constexpr int kPlanarTallMaps = kRegisters == 32 ? 10 : 5;

int planar_group(int out_maps) {
    return out_maps % kPlanarMaps != 0 && out_maps % kPlanarTallMaps == 0 ? kPlanarTallMaps : kPlanarMaps;
}

// kSize: the kernel's side, or 0 for any shape. Sums: how sums are computed, such as FusedSums.
template <class Sums, int kMaps, int kVectors, int kSize>
MTCNN_INLINE void planar_tile(const PlanarConvolution& a, const float* weights, int first_map, int x) {
    const int kernel_x = kSize ? kSize : a.kernel_x;
    const int kernel_y = kSize ? kSize : a.kernel_y;
    typename Sums::Sum sum[kMaps][kVectors];
    MTCNN_UNROLL
    for (int m = 0; m < kMaps; ++m) {
        MTCNN_UNROLL
        for (int v = 0; v < kVectors; ++v) sum[m][v] = Sums::zero_sum();
    }
    std::ptrdiff_t at = x;
    for (int c = 0; c < a.in_maps; ++c, at += a.map_stride) {
        MTCNN_UNROLL_SIDE
        for (int kx = 0; kx < kernel_x; ++kx) {
            MTCNN_UNROLL_SIDE
            for (int ky = 0; ky < kernel_y; ++ky) {
                const float* in = a.rows[ky] + at + kx;
                typename Sums::Factor pixels[kVectors];
                MTCNN_UNROLL
                for (int v = 0; v < kVectors; ++v) pixels[v] = Sums::load_factor(in + v * kLanes);
                MTCNN_UNROLL
                for (int m = 0; m < kMaps; ++m) {
                    const auto weight = Sums::broadcast_factor(weights[m]);
                    MTCNN_UNROLL
                    for (int v = 0; v < kVectors; ++v) {
                        sum[m][v] = Sums::add_product(sum[m][v], pixels[v], weight);
                    }
                }
                weights += kMaps;
            }
        }
    }
    MTCNN_UNROLL
    for (int m = 0; m < kMaps; ++m) {
        const int map = first_map + m;
        if (map >= a.out_maps) break;
        const Vector bias = broadcast(a.bias[map]);
        float* out = a.out + map * a.out_map_stride + x;
        MTCNN_UNROLL
        for (int v = 0; v < kVectors; ++v) {
            Vector value = add(Sums::to_vector(sum[m][v]), bias);
            if (a.slopes) value = prelu(value, broadcast(a.slopes[map]));
            store(out + v * kLanes, value);
        }
    }
}

template <class Sums, int kMaps, int kVectors, int kSize>
void planar_column(const PlanarConvolution& a, int x) {
    const std::ptrdiff_t group = std::ptrdiff_t{a.in_maps} * a.kernel_x * a.kernel_y * kMaps;
    const float* weights = a.weights;
    for (int map = 0; map < a.out_maps; map += kMaps, weights += group) {
        planar_tile<Sums, kMaps, kVectors, kSize>(a, weights, map, x);
    }
}

template <class Sums, int kMaps, int kVectors, int kSize>
void planar_row(const PlanarConvolution& a) {
    int left = (a.width + kLanes - 1) / kLanes;
    int x = 0;
    for (; left >= kVectors; left -= kVectors, x += kVectors * kLanes)
        planar_column<Sums, kMaps, kVectors, kSize>(a, x);
    if (kVectors > 2 && left == 2) planar_column<Sums, kMaps, 2, kSize>(a, x);
    if (left == 1) planar_column<Sums, kMaps, 1, kSize>(a, x);
}

template <class Sums, int kMaps, int kVectors>
void planar_any(const PlanarConvolution& a) {
    if (a.kernel_x == 3 && a.kernel_y == 3) {
        planar_row<Sums, kMaps, kVectors, 3>(a);
    } else {
        planar_row<Sums, kMaps, kVectors, 0>(a);
    }
}

template <class Sums>
void sum_planar(const PlanarConvolution& a) {
    if (planar_group(a.out_maps) == kPlanarTallMaps) {
        planar_any<Sums, kPlanarTallMaps, kPlanarTallVectors<Sums>>(a);
    } else {
        planar_any<Sums, kPlanarMaps, kPlanarVectors<Sums>>(a);
    }
}

void pool_planar(const PlanarPooling& a) {
    for (int m = 0; m < a.maps; ++m) {
        float* out = a.out + m * a.out_map_stride;
        int x = 0;
        if (a.kernel_x == 2 && a.stride_x == 2) {
            // Complete pairs only; the loop below handles a pair that is cut by the border.
            for (; x + kLanes <= a.in_width / 2; x += kLanes) {
                Vector best = zero();
                for (int r = 0; r < a.row_count; ++r) {
                    const float* in = a.rows[r] + m * a.map_stride + 2 * x;
                    const Vector low = load(in);
                    const Vector high = load(in + kLanes);
                    best = r == 0 ? even(low, high) : greater(even(low, high), best);
                    best = greater(odd(low, high), best);
                }
                store(out + x, best);
            }
        }
        for (; x < a.width; ++x) {
            const int from = x * a.stride_x;
            const int to = a.kernel_x < a.in_width - from ? from + a.kernel_x : a.in_width;
            float best = a.rows[0][m * a.map_stride + from];
            for (int r = 0; r < a.row_count; ++r) {
                const float* in = a.rows[r] + m * a.map_stride;
                for (int i = from; i < to; ++i) best = in[i] > best ? in[i] : best;
            }
            out[x] = best;
        }
    }
}

// kOutputs outputs of one vector of pixels: sums in double, in two halves.
template <int kOutputs>
MTCNN_INLINE void planar_fc_tile(const PlanarFullyConnected& a, int first, int x) {
    Doubles sum[kOutputs][2];
    MTCNN_UNROLL
    for (int o = 0; o < kOutputs; ++o) sum[o][0] = sum[o][1] = double_zero();
    const float* in = a.row + x;
    const double* weights = a.weights + first;
    for (int c = 0; c < a.in_maps; ++c, in += a.map_stride, weights += a.out_maps) {
        const Doubles low = double_load(in);
        const Doubles high = double_load(in + kDoubleLanes);
        MTCNN_UNROLL
        for (int o = 0; o < kOutputs; ++o) {
            const Doubles weight = double_broadcast(weights[o]);
            sum[o][0] = double_fma(low, weight, sum[o][0]);
            sum[o][1] = double_fma(high, weight, sum[o][1]);
        }
    }
    MTCNN_UNROLL
    for (int o = 0; o < kOutputs; ++o) {
        float* out = a.out + (first + o) * a.out_map_stride + x;
        double_store(out, sum[o][0]);
        double_store(out + kDoubleLanes, sum[o][1]);
        Vector value = add(load(out), broadcast(a.bias[first + o]));
        if (a.slopes) value = prelu(value, broadcast(a.slopes[first + o]));
        store(out, value);
    }
}

void fc_planar(const PlanarFullyConnected& a) {
    for (int x = 0; x < a.width; x += kLanes) {
        int o = 0;
        for (; o + 6 <= a.out_maps; o += 6) planar_fc_tile<6>(a, o, x);
        for (; o < a.out_maps; ++o) planar_fc_tile<1>(a, o, x);
    }
}

void prelu_row(const float* in, float slope, float* out, std::ptrdiff_t n) {
    const Vector slopes = broadcast(slope);
    std::ptrdiff_t i = 0;
    for (; i + kLanes <= n; i += kLanes) store(out + i, prelu(load(in + i), slopes));
    for (; i < n; ++i) out[i] = in[i] >= 0 ? in[i] : in[i] * slope;
}

int find_below(const float* a, const float* b, float limit, int n, std::int32_t* positions) {
    const Vector limits = broadcast(limit);
    int found = 0;
    int x = 0;
    for (; x + kLanes <= n; x += kLanes) {
        std::uint32_t bits = less_equal(subtract(load(a + x), load(b + x)), limits);
        for (int i = x; bits != 0; ++i, bits >>= 1) {
            if (bits & 1U) positions[found++] = i;
        }
    }
    for (; x < n; ++x) {
        if (a[x] - b[x] <= limit) positions[found++] = x;
    }
    return found;
}

}  // namespace
