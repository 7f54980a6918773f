// Finds the positions of PNet's heat map that can reach a threshold. Most positions are far below it: for them, an
// approximation with a bound of its error is sufficient. The others are computed exactly.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

#include "error_bound.h"
#include "kernels/kernels.h"
#include "model.h"
#include "planar_network.h"
#include "tensor.h"

namespace mtcnn {

struct FilterScratch {
    Buffer<float> rows, transformed, lower, zeros;     // of the approximation
    Buffer<float> windows, channels, planar, outputs;  // of the exact computation
    Buffer<std::int32_t> positions;
};

class HeatMapFilter {
public:
    // `stages` are the fused stages of the network. They and the kernels must outlive the filter.
    HeatMapFilter(const Network& network, const PlanarNetwork& stages, const Kernels& kernels);

    // Whether the network ends with a 3 x 3 convolution, a PReLU and a fully connected layer with a finite bound.
    bool usable() const { return bound_.has_value(); }

    // Receives the outputs of a position. They are `stride` apart.
    using Sink = std::function<void(int x, int y, const float* outputs, std::ptrdiff_t stride)>;

    // Calls the sink, row by row, for all positions in rows [from, to) at which the first output minus the second one
    // is at most the limit, and for a few others. The limit must be finite.
    void run(int height, int width, int from, int to, float limit, const PlanarNetwork::Source& source,
             const Sink& sink, PlanarScratch& planar, FilterScratch& scratch,
             CancellationPoint& cancellation_point) const;

    // Bytes that run() needs for an input of that size.
    double bytes_to_run(int height, int width) const;

private:
    class Pass;
    int input_width(int height, int width) const;  // of the convolution

    const PlanarNetwork& stages_;
    const Kernels& kernels_;
    std::size_t first_stages_ = 0;  // number of stages before the convolution
    int in_maps_ = 0, out_maps_ = 0, outputs_ = 0;
    std::optional<ErrorBound> bound_;
    Buffer<float> transformed_weights_, directions_;  // of the approximation
    float offset_ = 0;
    Buffer<float> weights_, bias_, slopes_, fc_bias_;  // of the exact computation
    Magnitudes magnitudes_{};                          // of weights_
    Buffer<double> fc_weights_;
};

}  // namespace mtcnn
