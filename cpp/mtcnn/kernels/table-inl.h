// The table of one instruction set. kernels_<isa>.cpp includes this last.
#pragma once

#include "bounds-inl.h"
#include "channels-inl.h"
#include "features-inl.h"
#include "kernels.h"
#include "peak-inl.h"
#include "planar-inl.h"
#include "resample-inl.h"

#if defined(MTCNN_DOUBLE_SUMS)
#include "double_convolutions-inl.h"
#else
namespace {

void convolve_planar(const PlanarConvolution& a) { sum_planar<FusedSums>(a); }
void convolve_channels(const ChannelConvolution& a) { sum_channels<FusedSums>(a); }

}  // namespace
#endif

#define MTCNN_KERNELS(name, description, steps_at_a_time)                                     \
    {name,          description,       kEnabledFeatures,  steps_at_a_time, planar_group,      \
     channel_group, kFcOutputs,        kBoundsMaps,       convolve_planar, pool_planar,       \
     fc_planar,     bound_differences, convolve_channels, pool_channels,   fc_channels,       \
     prelu_row,     resample_u8,       resample_f32,      blend_rows,      resample_blend_u8, \
     find_below,    run_multiply_adds}
