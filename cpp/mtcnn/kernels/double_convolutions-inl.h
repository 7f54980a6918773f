// The convolutions of the variants that use double_sums.h. Include this after the loops.
#pragma once

#include "channels-inl.h"
#include "double_sums.h"
#include "planar-inl.h"

namespace {

template <int kMaps, int kVectors>
MTCNN_NOINLINE void repeat_tile(const PlanarConvolution& a, const float* weights, int first_map, int x) {
    PlanarConvolution tile = a;
    tile.weights = weights;
    tile.bias += first_map;
    if (tile.slopes) tile.slopes += first_map;
    tile.out += first_map * a.out_map_stride;
    tile.out_maps = kMaps < a.out_maps - first_map ? kMaps : a.out_maps - first_map;
    tile.first = x;
    tile.width = kVectors * kLanes;
    sum_planar<FusedSums>(tile);
}

template <int kVectors>
MTCNN_NOINLINE void repeat_tile(const ChannelConvolution& a, const float* weights, const float* const* pixels,
                                int count, float* out, int channel) {
    ChannelConvolution tile = a;
    tile.weights = weights;
    tile.bias += channel;
    if (tile.slopes) tile.slopes += channel;
    tile.out_maps = kVectors * kLanes;
    tile.items = tile.height = tile.width = 1;
    for (int p = 0; p < count; ++p) {
        tile.in = pixels[p];
        tile.out = out + p * a.out_pixel_stride + channel;
        sum_channels<FusedSums>(tile);
    }
}

void convolve_planar(const PlanarConvolution& a) {
    const MagnitudeScan inputs = scan(a);
    if (inputs.is_exact) return sum_planar<DoubleSums<true>>(a);
    if (inputs.is_usable) return sum_planar<DoubleSums<false>>(a);
    sum_planar<FusedSums>(a);
}

void convolve_channels(const ChannelConvolution& a) {
    const MagnitudeScan inputs = scan(a);
    if (inputs.is_exact) return sum_channels<DoubleSums<true>>(a);
    if (inputs.is_usable) return sum_channels<DoubleSums<false>>(a);
    sum_channels<FusedSums>(a);
}

}  // namespace
