// Loops over H x W x channels maps, lanes over output channels. Include this once per instruction set, after its vector
// header.
#pragma once

#include "kernels.h"

namespace {

using mtcnn::ChannelConvolution;
using mtcnn::ChannelFullyConnected;
using mtcnn::ChannelPooling;

// A tile consists of several vectors of output channels for several pixels. All of its sums are in registers.
constexpr int channel_pixels(int vectors, int sum_registers) {
    if (sum_registers == 2) return vectors == 1 ? 5 : 2;
    return kRegisters == 32 ? (vectors == 1 ? 12 : vectors == 2 ? 10 : vectors == 3 ? 8 : 6) : (vectors == 1 ? 10 : 6);
}
constexpr int kMaxChannelVectors = kRegisters == 32 ? 4 : 2;

int channel_vectors(int out_maps) {
    const int vectors = (out_maps + kLanes - 1) / kLanes;
    for (int v = kMaxChannelVectors; v > 1; --v) {
        if (vectors % v == 0) return v;
    }
    return 1;
}

int channel_group(int out_maps) { return channel_vectors(out_maps) * kLanes; }

// Iterates over the pixels of the output and gives the position of the input of each. The numbering of pixels continues
// across rows and items, so that a tile may continue in the next row.
struct PixelWalk {
    PixelWalk(const ChannelConvolution& a, int pixel)
        : at(pixel / (a.height * a.width) * a.item_stride + pixel % (a.height * a.width) / a.width * a.row_stride +
             pixel % a.width * a.pixel_stride),
          x(pixel % a.width),
          y(pixel % (a.height * a.width) / a.width),
          width(a.width),
          height(a.height),
          to_pixel(a.pixel_stride),
          to_row(a.row_stride - a.width * a.pixel_stride),
          to_item(a.item_stride - a.height * a.row_stride) {}
    MTCNN_INLINE void next() {
        at += to_pixel;
        if (++x < width) return;
        x = 0;
        at += to_row;
        if (++y < height) return;
        y = 0;
        at += to_item;
    }
    std::ptrdiff_t at;
    int x, y, width, height;
    std::ptrdiff_t to_pixel, to_row, to_item;
};

template <class Sums, int kVectors, int kPixels, int kSize>
MTCNN_INLINE void channel_tile(const ChannelConvolution& a, const float* weights, const float* const (&pixels)[kPixels],
                               float* out, int channel) {
    const int kernel_x = kSize ? kSize : a.kernel_x;
    const int kernel_y = kSize ? kSize : a.kernel_y;
    typename Sums::Sum sum[kPixels][kVectors];
    const float* in[kPixels];
    MTCNN_UNROLL
    for (int p = 0; p < kPixels; ++p) {
        in[p] = pixels[p];
        MTCNN_UNROLL
        for (int v = 0; v < kVectors; ++v) sum[p][v] = Sums::zero_sum();
    }
    std::ptrdiff_t map = 0;
    for (int c = 0; c < a.in_maps; ++c, map += a.map_stride) {
        std::ptrdiff_t column = map;
        for (int kx = 0; kx < kernel_x; ++kx, column += a.pixel_stride) {
            std::ptrdiff_t at = column;
            MTCNN_UNROLL_SIDE
            for (int ky = 0; ky < kernel_y; ++ky, at += a.row_stride) {
                typename Sums::Factor weight[kVectors];
                MTCNN_UNROLL
                for (int v = 0; v < kVectors; ++v) weight[v] = Sums::load_factor(weights + v * kLanes);
                MTCNN_UNROLL
                for (int p = 0; p < kPixels; ++p) {
                    const auto pixel = Sums::broadcast_factor(in[p][at]);
                    MTCNN_UNROLL
                    for (int v = 0; v < kVectors; ++v) {
                        sum[p][v] = Sums::add_product(sum[p][v], pixel, weight[v]);
                    }
                }
                weights += kVectors * kLanes;
            }
        }
    }
    MTCNN_UNROLL
    for (int v = 0; v < kVectors; ++v) {
        const Vector bias = load(a.bias + channel + v * kLanes);
        Vector value[kPixels];
        MTCNN_UNROLL
        for (int p = 0; p < kPixels; ++p) value[p] = add(Sums::to_vector(sum[p][v]), bias);
        if (a.slopes) {
            const Vector slopes = load(a.slopes + channel + v * kLanes);
            MTCNN_UNROLL
            for (int p = 0; p < kPixels; ++p) value[p] = prelu(value[p], slopes);
        }
        MTCNN_UNROLL
        for (int p = 0; p < kPixels; ++p) store(out + p * a.out_pixel_stride + channel + v * kLanes, value[p]);
    }
}

// There must be at least kPixels pixels.
template <class Sums, int kVectors, int kPixels, int kSize>
void channel_tiles(const ChannelConvolution& a) {
    const std::ptrdiff_t group = std::ptrdiff_t{a.in_maps} * a.kernel_x * a.kernel_y * kVectors * kLanes;
    const int total = a.items * a.height * a.width;
    PixelWalk walk(a, 0);
    for (int first = 0; first < total; first += kPixels) {
        if (first + kPixels > total) {
            // The last tile starts early enough to be complete. It writes some results a second time, with the same
            // bits.
            first = total - kPixels;
            walk = PixelWalk(a, first);
        }
        const float* pixels[kPixels];
        MTCNN_UNROLL
        for (int p = 0; p < kPixels; ++p, walk.next()) pixels[p] = a.in + walk.at;
        float* out = a.out + first * a.out_pixel_stride;
        const float* weights = a.weights;
        for (int c = 0; c < a.out_maps; c += kVectors * kLanes, weights += group) {
            channel_tile<Sums, kVectors, kPixels, kSize>(a, weights, pixels, out, c);
        }
    }
}

template <class Sums, int kVectors>
void channel_any(const ChannelConvolution& a) {
    constexpr int kPixels = channel_pixels(kVectors, Sums::kRegisters);
    if (a.items * a.height * a.width < kPixels) {
        channel_tiles<Sums, kVectors, 1, 0>(a);
    } else if (a.kernel_x == 3 && a.kernel_y == 3) {
        channel_tiles<Sums, kVectors, kPixels, 3>(a);
    } else if (a.kernel_x == 2 && a.kernel_y == 2) {
        channel_tiles<Sums, kVectors, kPixels, 2>(a);
    } else {
        channel_tiles<Sums, kVectors, kPixels, 0>(a);
    }
}

template <class Sums>
void sum_channels(const ChannelConvolution& a) {
    switch (channel_vectors(a.out_maps)) {
        case 1:
            return channel_any<Sums, 1>(a);
        case 2:
            return channel_any<Sums, 2>(a);
        case 3:
            return channel_any<Sums, kMaxChannelVectors >= 3 ? 3 : 1>(a);
        default:
            return channel_any<Sums, kMaxChannelVectors >= 4 ? 4 : 1>(a);
    }
}

// One value of a pooled map. The window is clipped at the border.
MTCNN_INLINE Vector pooled_window(const float* in, int rows, int columns, std::ptrdiff_t row_stride, int channels) {
    Vector best = load(in);
    MTCNN_UNROLL_SIDE
    for (int r = 0; r < rows; ++r, in += row_stride) {
        MTCNN_UNROLL_SIDE
        for (int i = 0; i < columns; ++i) {
            if (r + i > 0) best = greater(load(in + std::ptrdiff_t{i} * channels), best);
        }
    }
    return best;
}

void pool_channels(const ChannelPooling& a) {
    const std::ptrdiff_t row_stride = std::ptrdiff_t{a.in_width} * a.channels;
    float* out = a.out;
    for (int y = 0; y < a.height; ++y) {
        const int y0 = y * a.stride_y;
        const int rows = a.kernel_y < a.in_height - y0 ? a.kernel_y : a.in_height - y0;
        for (int x = 0; x < a.width; ++x, out += a.channels) {
            const int x0 = x * a.stride_x;
            const int columns = a.kernel_x < a.in_width - x0 ? a.kernel_x : a.in_width - x0;
            const float* in = a.in + y0 * row_stride + std::ptrdiff_t{x0} * a.channels;
            if (rows == 3 && columns == 3) {
                for (int c = 0; c < a.channels; c += kLanes) {
                    store(out + c, pooled_window(in + c, 3, 3, row_stride, a.channels));
                }
            } else if (rows == 2 && columns == 2) {
                for (int c = 0; c < a.channels; c += kLanes) {
                    store(out + c, pooled_window(in + c, 2, 2, row_stride, a.channels));
                }
            } else {
                for (int c = 0; c < a.channels; c += kLanes) {
                    store(out + c, pooled_window(in + c, rows, columns, row_stride, a.channels));
                }
            }
        }
    }
}

// A tile has many items and few outputs: the conversion of a weight to double costs as much as two products, and all
// items of the tile share it.
constexpr int kFcVectors = 2;
constexpr int kFcItems = kRegisters == 32 ? 10 : 5;
constexpr int kFcOutputs = kFcVectors * kDoubleLanes;
static_assert(mtcnn::kPad % kFcOutputs == 0, "whole groups of outputs are written");

template <int kItems>
MTCNN_INLINE void fc_tile(const ChannelFullyConnected& a, const float* weights, int item, int first) {
    Doubles sum[kItems][kFcVectors];
    MTCNN_UNROLL
    for (int n = 0; n < kItems; ++n) {
        MTCNN_UNROLL
        for (int v = 0; v < kFcVectors; ++v) sum[n][v] = double_zero();
    }
    const double* in = a.in + item * a.item_stride;
    for (int i = 0; i < a.in_count; ++i, ++in, weights += kFcOutputs) {
        Doubles weight[kFcVectors];
        MTCNN_UNROLL
        for (int v = 0; v < kFcVectors; ++v) weight[v] = double_load(weights + v * kDoubleLanes);
        MTCNN_UNROLL
        for (int n = 0; n < kItems; ++n) {
            const Doubles feature = double_broadcast(in[n * a.item_stride]);
            MTCNN_UNROLL
            for (int v = 0; v < kFcVectors; ++v) sum[n][v] = double_fma(feature, weight[v], sum[n][v]);
        }
    }
    MTCNN_UNROLL
    for (int n = 0; n < kItems; ++n) {
        float* out = a.out + (item + n) * a.out_item_stride + first;
        MTCNN_UNROLL
        for (int v = 0; v < kFcVectors; ++v) {
            const Doubles bias = double_load(a.bias + first + v * kDoubleLanes);
            double_store(out + v * kDoubleLanes, double_add(sum[n][v], bias));
        }
    }
}

void fc_channels(const ChannelFullyConnected& a) {
    const float* weights = a.weights;
    for (int o = 0; o < a.out_count; o += kFcOutputs, weights += std::ptrdiff_t{a.in_count} * kFcOutputs) {
        int item = 0;
        for (; item + kFcItems <= a.items; item += kFcItems) fc_tile<kFcItems>(a, weights, item, o);
        for (; item + 5 <= a.items; item += 5) fc_tile<5>(a, weights, item, o);
        for (; item + 2 <= a.items; item += 2) fc_tile<2>(a, weights, item, o);
        for (; item < a.items; ++item) fc_tile<1>(a, weights, item, o);
    }
    if (!a.slopes) return;
    for (int item = 0; item < a.items; ++item) {
        float* out = a.out + item * a.out_item_stride;
        for (int o = 0; o < a.out_count; o += kLanes) store(out + o, prelu(load(out + o), load(a.slopes + o)));
    }
}

}  // namespace
