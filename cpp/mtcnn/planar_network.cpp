#include "planar_network.h"

#include <algorithm>
#include <tuple>

#include "exp.h"

namespace mtcnn {
namespace {

// A chunk of a row ends at the end of a tile for every tile size: 2 or 3 vectors of at most 16 pixels.
constexpr std::int64_t kChunkUnit = 96;

// Cost of a sigmoid, in multiply-adds.
constexpr std::int64_t kSigmoidSteps = 16;

std::int64_t steps_of(const PlanarStage& stage) {
    const std::int64_t area = std::int64_t{stage.kernel_y} * stage.kernel_x;
    switch (stage.kind) {
        case PlanarStage::Kind::kConvolution:
        case PlanarStage::Kind::kFullyConnected:
            return std::int64_t{stage.in_maps} * stage.out_maps * area;
        case PlanarStage::Kind::kPooling:
            return stage.in_maps * area;
        case PlanarStage::Kind::kPRelu:
            return stage.in_maps;
        case PlanarStage::Kind::kSigmoid:
            return stage.in_maps * kSigmoidSteps;
    }
    return 1;
}

PlanarStage make_stage(const Layer& layer, const std::string& name, int in_maps, const Kernels& kernels) {
    PlanarStage stage;
    stage.name = name;
    stage.in_maps = stage.out_maps = in_maps;
    if (const auto* conv = std::get_if<Conv2d>(&layer)) {
        stage.kind = PlanarStage::Kind::kConvolution;
        stage.out_maps = conv->out_maps;
        stage.kernel_y = conv->kernel_y;
        stage.kernel_x = conv->kernel_x;
        stage.weights = pack_convolution(*conv, kernels.planar_group(conv->out_maps));
        stage.magnitudes = magnitudes_of(*conv);
        stage.bias = padded_copy(conv->bias);
    } else if (const auto* pool = std::get_if<MaxPool>(&layer)) {
        stage.kind = PlanarStage::Kind::kPooling;
        stage.kernel_y = pool->kernel_y;
        stage.kernel_x = pool->kernel_x;
        stage.stride_y = pool->stride_y;
        stage.stride_x = pool->stride_x;
    } else if (const auto* fc = std::get_if<FullyConnected>(&layer)) {
        stage.kind = PlanarStage::Kind::kFullyConnected;
        stage.out_maps = fc->outputs;
        stage.wide_weights = widened(fc->weights);
        stage.bias = padded_copy(fc->bias);
    } else if (const auto* prelu = std::get_if<PReLU>(&layer)) {
        stage.kind = PlanarStage::Kind::kPRelu;
        stage.slopes = padded_copy(prelu->slopes);
    } else {
        stage.kind = PlanarStage::Kind::kSigmoid;
    }
    stage.steps = steps_of(stage);
    const std::int64_t units = kernels.steps_at_a_time / (stage.steps * kChunkUnit);
    stage.chunk = static_cast<int>(kChunkUnit * std::clamp<std::int64_t>(units, 1, 1 << 16));
    return stage;
}

bool takes_prelu(const PlanarStage& stage) {
    return !stage.fused() &&
           (stage.kind == PlanarStage::Kind::kConvolution || stage.kind == PlanarStage::Kind::kFullyConnected);
}

// First and last row of the input that are needed for row y of the output of a stage.
std::pair<int, int> needed(const PlanarStage& stage, int y, int in_height) {
    const std::int64_t first = std::int64_t{y} * stage.stride_y;
    const std::int64_t last = std::min<std::int64_t>(first + stage.kernel_y, in_height) - 1;
    return {static_cast<int>(first), static_cast<int>(last)};
}

// A kernel reads full vectors, and the last vector may begin at the last pixel.
int stride_for(int width) { return padded(width + kPad - 1); }

}  // namespace

std::pair<int, int> PlanarStage::out_size(int height, int width) const {
    if (kind == Kind::kPooling) {
        return {pooled_size(height, kernel_y, stride_y), pooled_size(width, kernel_x, stride_x)};
    }
    return {height - kernel_y + 1, width - kernel_x + 1};
}

double RowRing::bytes(int rows, int map_count, int width) {
    return 1.0 * rows * map_count * stride_for(width) * sizeof(float);
}

void RowRing::prepare(int rows, int map_count, int width, int first, CancellationPoint& cancellation_point) {
    capacity = rows;
    maps = map_count;
    next = first;
    map_stride = stride_for(width);
    memory.reserve(
        static_cast<std::size_t>(rows) * static_cast<std::size_t>(maps) * static_cast<std::size_t>(map_stride),
        cancellation_point);
}

PlanarNetwork::PlanarNetwork(const Network& network, int in_maps, const Kernels& kernels)
    : kernels_(kernels), in_maps_(in_maps) {
    const std::vector<std::string> names = network.names();
    int maps = in_maps;
    for (std::size_t i = 0; i < network.layers.size(); ++i) {
        PlanarStage stage = make_stage(network.layers[i], names[i], maps, kernels);
        if (stage.kind == PlanarStage::Kind::kPRelu && !stages_.empty() && takes_prelu(stages_.back())) {
            stages_.back().slopes = std::move(stage.slopes);
            stages_.back().prelu_name = stage.name;
            continue;
        }
        maps = stage.out_maps;
        stages_.push_back(std::move(stage));
    }
}

// A chunk of one output row of a stage, `width` pixels wide.
struct PlanarNetwork::Row {
    const std::vector<const float*>& in;  // rows of the input, from the start of the chunk
    std::ptrdiff_t in_stride;             // between maps
    int in_width;
    float* out;
    std::ptrdiff_t out_stride;
    int width;
};

void PlanarNetwork::compute_row(const PlanarStage& stage, const float* slopes, int y, RowRing& in,
                                const std::pair<int, int>& in_size, RowRing& out, int out_width,
                                std::vector<const float*>& rows, CancellationPoint& cancellation_point) const {
    const auto [first, last] = needed(stage, y, in_size.first);
    for (int x = 0; x < out_width; x += stage.chunk) {
        const int width = std::min(stage.chunk, out_width - x);
        const std::ptrdiff_t in_x = std::ptrdiff_t{x} * stage.stride_x;
        const std::int64_t reach = std::int64_t{width - 1} * stage.stride_x + stage.kernel_x;
        const auto in_width = static_cast<int>(std::min<std::int64_t>(in_size.second - in_x, reach));
        rows.clear();
        for (int r = first; r <= last; ++r) rows.push_back(in.row(r) + in_x);
        compute_piece(stage, slopes, {rows, in.map_stride, in_width, out.row(y) + x, out.map_stride, width});
        cancellation_point.advance(stage.steps * width);
    }
}

void PlanarNetwork::rectify(const float* slopes, int maps, const float* in, std::ptrdiff_t in_stride, float* out,
                            std::ptrdiff_t out_stride, int width) const {
    for (int m = 0; m < maps; ++m) kernels_.prelu(in + m * in_stride, slopes[m], out + m * out_stride, width);
}

void PlanarNetwork::compute_piece(const PlanarStage& stage, const float* slopes, const Row& row) const {
    switch (stage.kind) {
        case PlanarStage::Kind::kConvolution:
            return kernels_.convolve_planar({row.in.data(), row.in_stride, stage.weights.data(), stage.magnitudes,
                                             stage.bias.data(), slopes, row.out, row.out_stride, stage.in_maps,
                                             stage.out_maps, stage.kernel_y, stage.kernel_x, row.width});
        case PlanarStage::Kind::kPooling:
            return kernels_.pool_planar({row.in.data(), static_cast<int>(row.in.size()), row.in_stride, row.out,
                                         row.out_stride, stage.in_maps, row.in_width, row.width, stage.kernel_x,
                                         stage.stride_x});
        case PlanarStage::Kind::kFullyConnected:
            return kernels_.fc_planar({row.in[0], row.in_stride, stage.wide_weights.data(), stage.bias.data(), slopes,
                                       row.out, row.out_stride, stage.in_maps, stage.out_maps, row.width});
        case PlanarStage::Kind::kPRelu:
            return rectify(stage.slopes.data(), stage.in_maps, row.in[0], row.in_stride, row.out, row.out_stride,
                           row.width);
        case PlanarStage::Kind::kSigmoid:
            for (int m = 0; m < stage.in_maps; ++m) {
                const float* in = row.in[0] + m * row.in_stride;
                std::transform(in, in + row.width, row.out + m * row.out_stride, sigmoid);
            }
            return;
    }
}

void PlanarNetwork::produce(std::size_t stage, int upto, const Source& source, PlanarScratch& scratch,
                            CancellationPoint& cancellation_point) const {
    RowRing& out = scratch.rings[stage];
    for (; out.next <= upto; ++out.next) {
        if (stage == 0) {
            source(out.next, out.row(out.next), out.map_stride);
            continue;
        }
        const PlanarStage& s = stages_[stage - 1];
        produce(stage - 1, needed(s, out.next, scratch.sizes[stage - 1].first).second, source, scratch,
                cancellation_point);
        compute_row(s, s.fused_slopes(), out.next, scratch.rings[stage - 1], scratch.sizes[stage - 1], out,
                    scratch.sizes[stage].second, scratch.rows, cancellation_point);
    }
}

std::vector<std::array<int, 3>> PlanarNetwork::sizes(int height, int width) const {
    std::vector<std::array<int, 3>> result = {{in_maps_, height, width}};
    for (const PlanarStage& stage : stages_) {
        const auto [out_height, out_width] = stage.out_size(result.back()[1], result.back()[2]);
        result.push_back({stage.out_maps, out_height, out_width});
    }
    return result;
}

double PlanarNetwork::bytes_to_run(int height, int width) const {
    double bytes = 0;
    int maps = in_maps_;
    for (const PlanarStage& stage : stages_) {
        bytes += RowRing::bytes(std::min(stage.kernel_y, height), maps, width);
        std::tie(height, width) = stage.out_size(height, width);
        maps = stage.out_maps;
    }
    return bytes + RowRing::bytes(1, maps, width);
}

double PlanarNetwork::bytes_to_run_with_hook(int height, int width) const {
    const auto all = sizes(height, width);
    double most = 0;
    const auto bytes = [](const std::array<int, 3>& size) { return RowRing::bytes(size[1], size[0], size[2]); };
    for (std::size_t i = 1; i < all.size(); ++i) {
        most = std::max(most, bytes(all[i - 1]) + bytes(all[i]));
        if (stages_[i - 1].fused()) most = std::max(most, 2 * bytes(all[i]));
    }
    return most;
}

void PlanarNetwork::run_stages(std::size_t count, int height, int width, int from, int to, const Source& source,
                               const Sink& sink, PlanarScratch& scratch, CancellationPoint& cancellation_point) const {
    scratch.rings.resize(count + 1);
    scratch.sizes.assign(1, {height, width});
    for (std::size_t i = 0; i < count; ++i) {
        scratch.sizes.push_back(stages_[i].out_size(scratch.sizes.back().first, scratch.sizes.back().second));
    }
    int first = from;
    for (std::size_t i = count + 1; i-- > 0;) {
        const int rows = i == count ? 1 : std::min(stages_[i].kernel_y, scratch.sizes[i].first);
        const int maps = i == 0 ? in_maps_ : stages_[i - 1].out_maps;
        scratch.rings[i].prepare(rows, maps, scratch.sizes[i].second, first, cancellation_point);
        if (i > 0) first *= stages_[i - 1].stride_y;
    }
    RowRing& last = scratch.rings[count];
    for (int y = from; y < to; ++y) {
        produce(count, y, source, scratch, cancellation_point);
        sink(y, last.row(y), last.map_stride);
    }
}

void PlanarNetwork::run_with_hook(int height, int width, const Source& source, const Sink& sink, const LayerHook& hook,
                                  CancellationPoint& cancellation_point) const {
    std::pair<int, int> size(height, width);
    // Shared, so that the hook can keep the maps.
    auto in = std::make_shared<RowRing>();
    in->prepare(height, in_maps_, width, 0, cancellation_point);
    for (int y = 0; y < height; ++y) source(y, in->row(y), in->map_stride);
    const auto show = [&](const std::string& name) {
        const std::ptrdiff_t float_size = sizeof(float);
        hook(name, {in,
                    in->row(0),
                    false,
                    {in->maps, size.first, size.second},
                    {in->map_stride * float_size, in->maps * in->map_stride * float_size, float_size}});
    };
    show("input");
    std::vector<const float*> rows;
    for (const PlanarStage& stage : stages_) {
        const std::pair<int, int> out_size = stage.out_size(size.first, size.second);
        auto out = std::make_shared<RowRing>();
        out->prepare(out_size.first, stage.out_maps, out_size.second, 0, cancellation_point);
        for (int y = 0; y < out_size.first; ++y) {
            compute_row(stage, nullptr, y, *in, size, *out, out_size.second, rows, cancellation_point);
        }
        size = out_size;
        in = std::move(out);
        show(stage.name);
        if (!stage.fused()) continue;
        out = std::make_shared<RowRing>();
        out->prepare(size.first, stage.out_maps, size.second, 0, cancellation_point);
        for (int y = 0; y < size.first; ++y) {
            rectify(stage.slopes.data(), stage.out_maps, in->row(y), in->map_stride, out->row(y), out->map_stride,
                    size.second);
            cancellation_point.advance(std::int64_t{stage.out_maps} * size.second);
        }
        in = std::move(out);
        show(stage.prelu_name);
    }
    for (int y = 0; y < size.first; ++y) sink(y, in->row(y), in->map_stride);
}

}  // namespace mtcnn
