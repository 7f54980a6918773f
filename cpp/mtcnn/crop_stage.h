// One step of a network for crops.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "kernels/kernels.h"
#include "model.h"
#include "tensor.h"

namespace mtcnn {

// A layer, or a layer with the PReLU that follows it, prepared for maps of a known size.
struct CropStage {
    enum class Kind { kConvolution, kPooling, kFullyConnectedOnMaps, kFullyConnectedFlat, kPRelu, kSigmoid };
    Kind kind = Kind::kSigmoid;
    std::string name, prelu_name;                  // prelu_name is empty without a PReLU
    int in_maps = 0, in_height = 0, in_width = 0;  // a vector is 1 x 1
    int out_maps = 0, out_height = 0, out_width = 0;
    bool flat = false;  // the output is a vector
    int kernel_y = 1, kernel_x = 1, stride_y = 1, stride_x = 1;
    Buffer<float> weights, bias, slopes;
    Magnitudes magnitudes{};  // of the weights of a convolution
    std::int64_t steps = 1;   // multiply-adds for one crop

    bool fused() const { return !prelu_name.empty(); }
    const float* fused_slopes() const { return fused() ? slopes.data() : nullptr; }
    std::ptrdiff_t out_size() const { return std::ptrdiff_t{out_height} * out_width * padded(out_maps); }
};

// Returns the stage of a layer that follows the stage `before`.
CropStage make_crop_stage(const Layer& layer, const std::string& name, const CropStage& before, const Kernels& kernels);

}  // namespace mtcnn
