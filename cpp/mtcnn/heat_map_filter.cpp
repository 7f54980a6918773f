#include "heat_map_filter.h"

#include <algorithm>
#include <array>
#include <variant>

#include "packing.h"
#include "winograd.h"

namespace mtcnn {
namespace {

constexpr int kRows = winograd::kResultRows;
constexpr int kInputRows = winograd::kRows;
constexpr int kWindow = 9;    // pixels of a window of the convolution
constexpr int kWindows = 64;  // number of windows that are computed together
constexpr int kBoundsWidth = 2 * kBoundsPairs;
constexpr int kBoundsSteps = kBoundsPairs * winograd::kRows * winograd::kColumns;  // per input and output map

// A kernel reads and writes full vectors of pairs.
int row_stride(int width) { return padded(width) + 4 * kPad; }

}  // namespace

HeatMapFilter::HeatMapFilter(const Network& network, const PlanarNetwork& stages, const Kernels& kernels)
    : stages_(stages), kernels_(kernels) {
    const std::size_t count = network.layers.size();
    if (count < 3) return;
    const auto* conv = std::get_if<Conv2d>(&network.layers[count - 3]);
    const auto* prelu = std::get_if<PReLU>(&network.layers[count - 2]);
    const auto* fc = std::get_if<FullyConnected>(&network.layers[count - 1]);
    if (conv == nullptr || prelu == nullptr || fc == nullptr) return;
    if (conv->kernel_y != 3 || conv->kernel_x != 3 || fc->outputs < 2) return;
    const std::int64_t steps = std::max(kWindows * kWindow, kBoundsSteps);
    if (steps * conv->in_maps * conv->out_maps > kernels.steps_at_a_time) return;  // cancellation would be late
    bound_ = error_bound(*conv, *prelu, *fc);
    if (!bound_) return;
    first_stages_ = stages.stages().size() - 2;
    in_maps_ = conv->in_maps;
    out_maps_ = conv->out_maps;
    outputs_ = fc->outputs;
    transformed_weights_ = winograd::pack_transformed(*conv, kernels.bounds_group);
    float* directions = directions_.reserve(static_cast<std::size_t>(out_maps_));
    for (int m = 0; m < out_maps_; ++m) {
        const float* weights = fc->weights.data() + std::ptrdiff_t{m} * outputs_;
        directions[m] = weights[0] - weights[1];
    }
    offset_ = fc->bias[0] - fc->bias[1];
    magnitudes_ = magnitudes_of(*conv);
    weights_ = pack_convolution(*conv, kernels.channel_group(out_maps_));
    bias_ = padded_copy(conv->bias);
    slopes_ = padded_copy(prelu->slopes);
    fc_weights_ = widened(fc->weights);
    fc_bias_ = padded_copy(fc->bias);
}

// The work of one call of run().
class HeatMapFilter::Pass {
public:
    // in_width: width of the convolution's input.
    Pass(const HeatMapFilter& filter, int in_width, float limit, const Sink& sink, FilterScratch& scratch,
         CancellationPoint& cancellation_point)
        : filter_(filter),
          kernels_(filter.kernels_),
          limit_(limit),
          sink_(sink),
          scratch_(scratch),
          cancellation_point_(cancellation_point),
          in_width_(in_width),
          stride_(row_stride(in_width)) {
        const auto in_maps = static_cast<std::size_t>(filter.in_maps_);
        const auto stride = static_cast<std::size_t>(stride_);
        scratch.rows.reserve(kInputRows * in_maps * stride, cancellation_point);
        scratch.lower.reserve(kRows * stride, cancellation_point);
        scratch.zeros.reserve(stride, cancellation_point);
        scratch.transformed.reserve(static_cast<std::size_t>(winograd::kRows * winograd::kColumns * kBoundsPairs) *
                                    in_maps);
        scratch.positions.reserve(stride, cancellation_point);
        scratch.windows.reserve(kWindows * kWindow * in_maps);
        const auto out_maps = static_cast<std::size_t>(padded(filter.out_maps_));
        scratch.channels.reserve(kWindows * out_maps);
        scratch.planar.reserve(kWindows * out_maps);
        scratch.outputs.reserve(kWindows * static_cast<std::size_t>(filter.outputs_));
    }

    // Takes row y of the convolution's input.
    void add_row(int y, const float* row, std::ptrdiff_t map_stride) {
        float* to = row_at(y);
        for (int c = 0; c < filter_.in_maps_; ++c) std::copy_n(row + c * map_stride, in_width_, to + c * stride_);
    }

    // Finds the positions in rows [y, y + rows) of the heat map. Their input rows must have been added.
    void find(int y, int rows) {
        std::array<const float*, kInputRows> inputs{};
        for (int r = 0; r < kInputRows; ++r) {
            inputs[static_cast<std::size_t>(r)] = row_at(y + r);  // rows that are not needed may be old
        }
        bound(inputs);
        for (int r = 0; r < rows; ++r) {
            const float* lower = scratch_.lower.data() + r * stride_;
            const int count =
                kernels_.find_below(lower, scratch_.zeros.data(), limit_, width_, scratch_.positions.data());
            for (int i = 0; i < count; ++i) {
                add_window(scratch_.positions.data()[i], y + r, inputs.data() + r);
                if (windows_ == kWindows) compute_windows();
            }
        }
    }

    // Computes the outputs of the windows that were found and calls the sink.
    void compute_windows() {
        if (windows_ == 0) return;
        const int out_stride = padded(filter_.out_maps_);
        const int in_maps = filter_.in_maps_;
        float* channels = scratch_.channels.data();
        kernels_.convolve_channels({scratch_.windows.data(), std::ptrdiff_t{kWindow} * in_maps, 3, 1, kWindow,
                                    filter_.weights_.data(), filter_.magnitudes_, filter_.bias_.data(),
                                    filter_.slopes_.data(), channels, out_stride, windows_, in_maps, filter_.out_maps_,
                                    3, 3, 1, 1});
        float* planar = scratch_.planar.data();
        for (int m = 0; m < filter_.out_maps_; ++m) {
            for (int i = 0; i < windows_; ++i) planar[m * kWindows + i] = channels[i * out_stride + m];
        }
        float* outputs = scratch_.outputs.data();
        kernels_.fc_planar({planar, kWindows, filter_.fc_weights_.data(), filter_.fc_bias_.data(), nullptr, outputs,
                            kWindows, filter_.out_maps_, filter_.outputs_, windows_});
        cancellation_point_.advance(std::int64_t{windows_} * kWindow * in_maps * filter_.out_maps_);
        for (int i = 0; i < windows_; ++i) {
            const auto& [x, y] = places_[static_cast<std::size_t>(i)];
            sink_(x, y, outputs + i, kWindows);
        }
        windows_ = 0;
    }

private:
    float* row_at(int y) { return scratch_.rows.data() + std::ptrdiff_t{y % kInputRows} * filter_.in_maps_ * stride_; }

    // Writes the lower bounds of four rows of differences.
    void bound(const std::array<const float*, kInputRows>& inputs) {
        for (int x = 0; x < width_; x += kBoundsWidth) {
            std::array<const float*, kInputRows> at = inputs;
            for (const float*& row : at) row += x;
            kernels_.bound_differences({at.data(), stride_, filter_.transformed_weights_.data(), filter_.bias_.data(),
                                        filter_.slopes_.data(), filter_.directions_.data(), filter_.offset_,
                                        filter_.bound_->relative, filter_.bound_->absolute, scratch_.transformed.data(),
                                        scratch_.lower.data() + x, stride_, filter_.in_maps_, filter_.out_maps_,
                                        std::min(kBoundsWidth, width_ - x)});
            cancellation_point_.advance(std::int64_t{kBoundsSteps} * filter_.in_maps_ * filter_.out_maps_);
        }
    }

    void add_window(int x, int y, const float* const* rows) {
        float* to = scratch_.windows.data() + std::ptrdiff_t{windows_} * kWindow * filter_.in_maps_;
        for (int c = 0; c < filter_.in_maps_; ++c) {
            for (int r = 0; r < 3; ++r, to += 3) std::copy_n(rows[r] + c * stride_ + x, 3, to);
        }
        places_[static_cast<std::size_t>(windows_++)] = {x, y};
    }

    const HeatMapFilter& filter_;
    const Kernels& kernels_;
    float limit_;
    const Sink& sink_;
    FilterScratch& scratch_;
    CancellationPoint& cancellation_point_;
    int in_width_;
    int width_ = in_width_ - 2;  // of the heat map
    std::ptrdiff_t stride_;      // between two maps of a row
    int windows_ = 0;
    std::array<std::pair<int, int>, kWindows> places_{};
};

void HeatMapFilter::run(int height, int width, int from, int to, float limit, const PlanarNetwork::Source& source,
                        const Sink& sink, PlanarScratch& planar, FilterScratch& scratch,
                        CancellationPoint& cancellation_point) const {
    Pass pass(*this, input_width(height, width), limit, sink, scratch, cancellation_point);
    int next = from;  // row of the heat map
    const auto add_row = [&](int y, const float* row, std::ptrdiff_t map_stride) {
        pass.add_row(y, row, map_stride);
        const int rows = y - 1 - next;  // complete rows
        if (rows == kRows || y == to + 1) {
            pass.find(next, rows);
            next += rows;
        }
    };
    stages_.run_stages(first_stages_, height, width, from, to + 2, source, std::ref(add_row), planar,
                       cancellation_point);
    pass.compute_windows();
}

int HeatMapFilter::input_width(int height, int width) const {
    std::pair<int, int> size(height, width);
    for (std::size_t i = 0; i < first_stages_; ++i) size = stages_.stages()[i].out_size(size.first, size.second);
    return size.second;
}

double HeatMapFilter::bytes_to_run(int height, int width) const {
    const double of_width = 1.0 * kInputRows * in_maps_ + kRows + 2;
    const double of_windows = kWindows * (1.0 * kWindow * in_maps_ + 2.0 * padded(out_maps_) + outputs_);
    const double of_pairs = 1.0 * winograd::kRows * winograd::kColumns * kBoundsPairs * in_maps_;
    const double floats = of_width * row_stride(input_width(height, width)) + of_windows + of_pairs;
    return stages_.bytes_to_run(height, width) + floats * sizeof(float);
}

}  // namespace mtcnn
