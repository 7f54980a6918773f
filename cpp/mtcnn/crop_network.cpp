#include "crop_network.h"

#include <algorithm>

#include "exp.h"

namespace mtcnn {
namespace {

using Kind = CropStage::Kind;

// Maps of more pixels than this are computed crop by crop: the pixels of one crop fill the tiles, and the maps of
// several crops would exceed the cache.
constexpr int kLargeArea = 200;
// Maximum number of floats in the maps of one stage for a group of crops, so that they stay in the cache.
constexpr std::ptrdiff_t kGroupFloats = 80 * 1024;

bool takes_prelu(const CropStage& stage) {
    return !stage.fused() && (stage.kind == Kind::kConvolution || stage.kind == Kind::kFullyConnectedFlat);
}

void rectify(const float* slopes, int channels, const float* in, float* out, std::ptrdiff_t count) {
    for (std::ptrdiff_t i = 0; i < count; ++i) out[i] = in[i] >= 0 ? in[i] : in[i] * slopes[i % channels];
}

TensorView view_of(const CropStage& stage, std::shared_ptr<const Buffer<float>> maps) {
    const float* data = maps->data();
    if (stage.flat) return {std::move(maps), data, false, {stage.out_maps}, {sizeof(float)}};
    const std::ptrdiff_t pixel = padded(stage.out_maps) * static_cast<std::ptrdiff_t>(sizeof(float));
    return {std::move(maps),
            data,
            false,
            {stage.out_maps, stage.out_height, stage.out_width},
            {sizeof(float), stage.out_width * pixel, pixel}};
}

}  // namespace

CropNetwork::CropNetwork(const Network& network, int in_maps, int height, int width, const Kernels& kernels, bool flat)
    : kernels_(kernels), in_maps_(in_maps), height_(height), width_(width) {
    CropStage before;
    before.out_maps = in_maps;
    before.out_height = height;
    before.out_width = width;
    before.flat = flat;
    const std::vector<std::string> names = network.names();
    for (std::size_t i = 0; i < network.layers.size(); ++i) {
        CropStage stage = make_crop_stage(network.layers[i], names[i], i == 0 ? before : stages_.back(), kernels);
        if (stage.kind == Kind::kPRelu && !stages_.empty() && takes_prelu(stages_.back())) {
            stages_.back().slopes = std::move(stage.slopes);
            stages_.back().prelu_name = stage.name;
            continue;
        }
        stages_.push_back(std::move(stage));
    }
    for (std::size_t i = 0; i < stages_.size(); ++i) {
        const bool large = stages_[i].out_height * stages_[i].out_width > kLargeArea;
        if (large || (split_ == i && stages_[i].kind == Kind::kPooling)) split_ = i + 1;
    }
    std::ptrdiff_t largest = 1;
    for (std::size_t i = split_ == 0 ? 0 : split_ - 1; i < stages_.size(); ++i) {
        largest = std::max(largest, stages_[i].out_size());
    }
    group_size_ = static_cast<int>(std::clamp<std::ptrdiff_t>(kGroupFloats / largest, 1, 20));
}

// Converts the planar rows of the input to H x W x padded(in_maps).
const float* CropNetwork::interleave(const float* in, int items, CropScratch& scratch) const {
    const int channels = padded(in_maps_);
    const std::ptrdiff_t pixels = std::ptrdiff_t{height_} * width_;
    float* const out = scratch.interleaved.reserve(static_cast<std::size_t>(items * pixels * channels));
    float* to = out;
    for (int row = 0; row < items * height_; ++row, in += std::ptrdiff_t{in_maps_} * row_size()) {
        for (int x = 0; x < width_; ++x, to += channels) {
            for (int c = 0; c < in_maps_; ++c) to[c] = in[std::ptrdiff_t{c} * row_size() + x];
        }
    }
    return out;
}

void CropNetwork::convolve(const CropStage& stage, const float* slopes, bool first, const float* in, float* out,
                           int items) const {
    ChannelConvolution a{};
    a.in = in;
    a.weights = stage.weights.data();
    a.magnitudes = stage.magnitudes;
    a.bias = stage.bias.data();
    a.slopes = slopes;
    a.out = out;
    a.out_pixel_stride = padded(stage.out_maps);
    a.items = items;
    a.in_maps = stage.in_maps;
    a.out_maps = stage.out_maps;
    a.kernel_y = stage.kernel_y;
    a.kernel_x = stage.kernel_x;
    a.height = stage.out_height;
    a.width = stage.out_width;
    if (first) {
        a.pixel_stride = 1;
        a.map_stride = row_size();
        a.row_stride = std::ptrdiff_t{in_maps_} * row_size();
        a.item_stride = input_size();
    } else {
        a.map_stride = 1;
        a.pixel_stride = padded(stage.in_maps);
        a.row_stride = stage.in_width * a.pixel_stride;
        a.item_stride = stage.in_height * a.row_stride;
    }
    kernels_.convolve_channels(a);
}

void CropNetwork::fully_connected(const CropStage& stage, const float* slopes, const float* in, float* out, int items,
                                  CropScratch& scratch) const {
    const int channels = padded(stage.in_maps);
    const int area = stage.in_height * stage.in_width;
    const int count = stage.in_maps * area;
    double* features = scratch.features.reserve(static_cast<std::size_t>(items) * static_cast<std::size_t>(count));
    if (stage.kind == Kind::kFullyConnectedFlat) {
        for (int item = 0; item < items; ++item) {
            for (int y = 0; y < stage.in_height; ++y) {
                for (int x = 0; x < stage.in_width; ++x, in += channels) {
                    double* to = features + std::ptrdiff_t{item} * count + x * stage.in_height + y;
                    for (int c = 0; c < stage.in_maps; ++c, to += area) *to = in[c];
                }
            }
        }
        kernels_.fc_channels({features, count, stage.weights.data(), stage.bias.data(), slopes, out, stage.out_size(),
                              items, count, stage.out_maps});
        return;
    }
    // On maps, every pixel is a separate item. Its sum is rounded and the bias is added in float.
    const int pixels = items * area;
    for (int p = 0; p < pixels; ++p) {
        std::copy_n(in + std::ptrdiff_t{p} * channels, stage.in_maps, features + std::ptrdiff_t{p} * stage.in_maps);
    }
    const std::vector<float> no_bias(static_cast<std::size_t>(padded(stage.out_maps)));
    const std::ptrdiff_t out_channels = padded(stage.out_maps);
    kernels_.fc_channels({features, stage.in_maps, stage.weights.data(), no_bias.data(), nullptr, out, out_channels,
                          pixels, stage.in_maps, stage.out_maps});
    for (int p = 0; p < pixels; ++p) {
        for (int c = 0; c < stage.out_maps; ++c) out[p * out_channels + c] += stage.bias.data()[c];
    }
}

// Computes at most as many crops per kernel call as the cancellation interval allows.
void CropNetwork::compute(const CropStage& stage, const float* slopes, bool first, const float* in, float* out,
                          int items, CropScratch& scratch, CancellationPoint& cancellation_point) const {
    const std::ptrdiff_t in_size =
        first ? input_size() : std::ptrdiff_t{stage.in_height} * stage.in_width * padded(stage.in_maps);
    const auto at_a_time = static_cast<int>(std::clamp<std::int64_t>(kernels_.steps_at_a_time / stage.steps, 1, items));
    for (int from = 0; from < items; from += at_a_time) {
        const int count = std::min(at_a_time, items - from);
        compute_at_once(stage, slopes, first, in + from * in_size, out + from * stage.out_size(), count, scratch);
        cancellation_point.advance(count * stage.steps);
    }
}

void CropNetwork::compute_at_once(const CropStage& stage, const float* slopes, bool first, const float* in, float* out,
                                  int items, CropScratch& scratch) const {
    if (first && stage.kind != Kind::kConvolution) in = interleave(in, items, scratch);
    const int channels = padded(stage.in_maps);
    const std::ptrdiff_t in_size = std::ptrdiff_t{stage.in_height} * stage.in_width * channels;
    switch (stage.kind) {
        case Kind::kConvolution:
            return convolve(stage, slopes, first, in, out, items);
        case Kind::kPooling:
            for (int item = 0; item < items; ++item) {
                kernels_.pool_channels({in + item * in_size, out + item * stage.out_size(), channels, stage.in_height,
                                        stage.in_width, stage.out_height, stage.out_width, stage.kernel_y,
                                        stage.kernel_x, stage.stride_y, stage.stride_x});
            }
            return;
        case Kind::kFullyConnectedOnMaps:
        case Kind::kFullyConnectedFlat:
            return fully_connected(stage, slopes, in, out, items, scratch);
        case Kind::kPRelu:
            return rectify(stage.slopes.data(), channels, in, out, items * in_size);
        case Kind::kSigmoid:
            std::transform(in, in + items * in_size, out, sigmoid);
            return;
    }
}

const float* CropNetwork::run(int crops, const Source& source, CropScratch& scratch,
                              CancellationPoint& cancellation_point) const {
    const std::size_t last = stages_.size();
    const std::ptrdiff_t between = split_ == 0 ? input_size() : stages_[split_ - 1].out_size();
    float* in = scratch.group[0].reserve(static_cast<std::size_t>(crops * between));
    for (int crop = 0; crop < crops; ++crop) {
        if (split_ == 0) {
            source(crop, in + crop * between);
            continue;
        }
        float* from = scratch.maps[0].reserve(static_cast<std::size_t>(input_size() + kPad));
        source(crop, from);
        for (std::size_t s = 0; s < split_; ++s) {
            float* to = s + 1 == split_
                            ? in + crop * between
                            : scratch.maps[(s + 1) % 2].reserve(static_cast<std::size_t>(stages_[s].out_size()));
            compute(stages_[s], stages_[s].fused_slopes(), s == 0, from, to, 1, scratch, cancellation_point);
            from = to;
        }
    }
    for (std::size_t s = split_; s < last; ++s) {
        float* out =
            scratch.group[(s - split_ + 1) % 2].reserve(static_cast<std::size_t>(crops * stages_[s].out_size()));
        compute(stages_[s], stages_[s].fused_slopes(), s == 0, in, out, crops, scratch, cancellation_point);
        in = out;
    }
    return in;
}

std::vector<float> CropNetwork::run_with_hook(const Source& source, const LayerHook& hook,
                                              CancellationPoint& cancellation_point) const {
    // Shared, so that the hook can keep the maps.
    auto in = std::make_shared<Buffer<float>>();
    source(0, in->reserve(static_cast<std::size_t>(input_size() + kPad)));
    const std::ptrdiff_t row = row_size() * static_cast<std::ptrdiff_t>(sizeof(float));
    hook("input", {in, in->data(), false, {in_maps_, height_, width_}, {row, in_maps_ * row, sizeof(float)}});
    CropScratch scratch;
    for (std::size_t s = 0; s < stages_.size(); ++s) {
        const CropStage& stage = stages_[s];
        const auto size = static_cast<std::size_t>(stage.out_size());
        auto out = std::make_shared<Buffer<float>>();
        compute(stage, nullptr, s == 0, in->data(), out->reserve(size), 1, scratch, cancellation_point);
        in = std::move(out);
        hook(stage.name, view_of(stage, in));
        if (!stage.fused()) continue;
        out = std::make_shared<Buffer<float>>();
        rectify(stage.slopes.data(), padded(stage.out_maps), in->data(), out->reserve(size), stage.out_size());
        in = std::move(out);
        hook(stage.prelu_name, view_of(stage, in));
    }
    return {in->data(), in->data() + stages_.back().out_size()};
}

}  // namespace mtcnn
