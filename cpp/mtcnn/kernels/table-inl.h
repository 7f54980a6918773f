// The table of one instruction set. Included last by kernels_<isa>.cpp.
#pragma once

#include "allowed-inl.h"
#include "burn-inl.h"
#include "channels-inl.h"
#include "kernels.h"
#include "planar-inl.h"
#include "resample-inl.h"

#define MTCNN_KERNELS(name, description, steps_at_a_time)                 \
    {name,         description,       kAllowed,          steps_at_a_time, \
     planar_group, channel_group,     kDenseOutputs,     convolve_planar, \
     pool_planar,  dense_planar,      convolve_channels, pool_channels,   \
     dense,        prelu_row,         resample_u8,       resample_f32,    \
     blend_rows,   resample_blend_u8, find_below,        burn}
