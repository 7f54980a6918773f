// What a network for crops does, layer by layer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "kernels/kernels.h"
#include "model.h"
#include "tensor.h"

namespace mtcnn {

// One layer, or a layer with the PReLU that follows it, ready to run on maps of a known size.
struct CropStage {
    enum class Kind { kConvolution, kPooling, kDenseOnMaps, kDenseFlat, kPRelu, kSigmoid };
    Kind kind = Kind::kSigmoid;
    std::string name;                              // of its last layer
    int in_maps = 0, in_height = 0, in_width = 0;  // a flat vector is 1 x 1
    int out_maps = 0, out_height = 0, out_width = 0;
    bool flat = false;  // the output is a vector
    int kernel_y = 1, kernel_x = 1, stride_y = 1, stride_x = 1;
    Buffer<float> weights, bias, slopes;
    bool fused = false;      // a PReLU on the way out
    std::int64_t steps = 1;  // multiply-adds for one crop

    std::ptrdiff_t out_size() const { return std::ptrdiff_t{out_height} * out_width * padded(out_maps); }
};

// The stage of a layer, after the stage `before`.
CropStage make_crop_stage(const Layer& layer, const std::string& name, const CropStage& before, const Kernels& kernels);

}  // namespace mtcnn
