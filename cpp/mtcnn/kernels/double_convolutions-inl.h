// The convolutions of the variants that use double_sums.h. Include this after the loops.
#pragma once

#include "channels-inl.h"
#include "double_sums.h"
#include "planar-inl.h"

namespace {

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
