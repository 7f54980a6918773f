// Weights in the order in which the kernels read them.
#pragma once

#include "kernels/kernels.h"
#include "model.h"
#include "tensor.h"

namespace mtcnn {

// Loops from outside to inside: groups of output maps, input maps, kernel x, kernel y, maps of the group. The last
// group is filled up with zeros.
Buffer<float> pack_convolution(const Conv2d& conv, int group);

// Loops from outside to inside: groups of outputs, inputs, outputs of the group. The last group is filled up with
// zeros.
Buffer<float> pack_dense(const FullyConnected& dense, int group);

// (in, out) as doubles.
Buffer<double> widened(const std::vector<float>& values);

// Padded with zeros to a multiple of kPad.
Buffer<float> padded_copy(const std::vector<float>& values);

}  // namespace mtcnn
