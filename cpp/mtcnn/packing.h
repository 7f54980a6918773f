// Weights in the order in which the kernels read them.
#pragma once

#include "kernels/kernels.h"
#include "model.h"
#include "tensor.h"

namespace mtcnn {

// Loops from the outermost to the innermost: groups of output maps, input maps, kernel x, kernel y, maps of the group.
// The last group is padded with zeros.
Buffer<float> pack_convolution(const Conv2d& conv, int group);

Magnitudes magnitudes_of(const Conv2d& conv);

// Loops from the outermost to the innermost: groups of outputs, inputs, outputs of the group. The last group is padded
// with zeros.
Buffer<float> pack_fully_connected(const FullyConnected& fc, int group);

// Weights (in, out) as doubles.
Buffer<double> widened(const std::vector<float>& values);

// A copy that is padded with zeros to a multiple of kPad.
Buffer<float> padded_copy(const std::vector<float>& values);

}  // namespace mtcnn
