// Weights in the order in which the kernels read them.
#pragma once

#include "kernels/kernels.h"
#include "model.h"
#include "tensor.h"

namespace mtcnn {

// For every group of output maps: input map, kernel x, kernel y, the group's maps. Missing maps are zero.
Buffer<float> pack_convolution(const Conv2d& conv, int group);

// For every group of outputs: input, the group's outputs. Missing outputs are zero.
Buffer<float> pack_dense(const FullyConnected& dense, int group);

// (in, out) as doubles.
Buffer<double> widened(const std::vector<float>& values);

// Padded with zeros to a multiple of kPad.
Buffer<float> padded_copy(const std::vector<float>& values);

}  // namespace mtcnn
