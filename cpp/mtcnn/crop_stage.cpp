#include "crop_stage.h"

#include <algorithm>

#include "packing.h"

namespace mtcnn {
namespace {

using Kind = CropStage::Kind;

// Cost of a sigmoid, in multiply-adds.
constexpr std::int64_t kSigmoidSteps = 16;

std::int64_t steps_of(const CropStage& stage) {
    const std::int64_t area = std::int64_t{stage.out_height} * stage.out_width;
    const std::int64_t kernel_area = std::int64_t{stage.kernel_y} * stage.kernel_x;
    switch (stage.kind) {
        case Kind::kConvolution:
            return stage.in_maps * kernel_area * stage.out_maps * area;
        case Kind::kPooling:
            return stage.in_maps * kernel_area * area;
        case Kind::kFullyConnectedOnMaps:
            return std::int64_t{stage.in_maps} * stage.out_maps * area;
        case Kind::kFullyConnectedFlat:
            return std::int64_t{stage.in_maps} * stage.in_height * stage.in_width * stage.out_maps;
        case Kind::kPRelu:
            return stage.in_maps * area;
        case Kind::kSigmoid:
            return stage.in_maps * area * kSigmoidSteps;
    }
    return 1;
}

}  // namespace

CropStage make_crop_stage(const Layer& layer, const std::string& name, const CropStage& before,
                          const Kernels& kernels) {
    CropStage stage;
    stage.name = name;
    stage.in_maps = stage.out_maps = before.out_maps;
    stage.in_height = stage.out_height = before.out_height;
    stage.in_width = stage.out_width = before.out_width;
    stage.flat = before.flat;
    if (const auto* conv = std::get_if<Conv2d>(&layer)) {
        stage.kind = Kind::kConvolution;
        stage.out_maps = conv->out_maps;
        stage.out_height = stage.in_height - conv->kernel_y + 1;
        stage.out_width = stage.in_width - conv->kernel_x + 1;
        stage.kernel_y = conv->kernel_y;
        stage.kernel_x = conv->kernel_x;
        stage.weights = pack_convolution(*conv, kernels.channel_group(conv->out_maps));
        stage.magnitudes = magnitudes_of(*conv);
        stage.bias = padded_copy(conv->bias);
    } else if (const auto* pool = std::get_if<MaxPool>(&layer)) {
        stage.kind = Kind::kPooling;
        stage.out_height = pooled_size(stage.in_height, pool->kernel_y, pool->stride_y);
        stage.out_width = pooled_size(stage.in_width, pool->kernel_x, pool->stride_x);
        stage.kernel_y = std::min(pool->kernel_y, stage.in_height);
        stage.kernel_x = std::min(pool->kernel_x, stage.in_width);
        stage.stride_y = pool->stride_y;
        stage.stride_x = pool->stride_x;
    } else if (const auto* fc = std::get_if<FullyConnected>(&layer)) {
        const bool on_maps = !before.flat && fc->inputs == before.out_maps;
        stage.kind = on_maps ? Kind::kFullyConnectedOnMaps : Kind::kFullyConnectedFlat;
        stage.out_maps = fc->outputs;
        if (!on_maps) {
            stage.flat = true;
            stage.out_height = stage.out_width = 1;
        }
        stage.weights = pack_fully_connected(*fc, kernels.fc_group);
        stage.bias = padded_copy(fc->bias);
    } else if (const auto* prelu = std::get_if<PReLU>(&layer)) {
        stage.kind = Kind::kPRelu;
        stage.slopes = padded_copy(prelu->slopes);
    } else {
        stage.kind = Kind::kSigmoid;
    }
    stage.steps = steps_of(stage);
    return stage;
}

}  // namespace mtcnn
