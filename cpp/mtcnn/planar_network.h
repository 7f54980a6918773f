// A network that runs on maps of any size (PNet), row by row. Every layer keeps only the rows that the next one still
// needs, so all data stays in the cache. Planar maps, lanes over pixels.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "kernels/kernels.h"
#include "model.h"
#include "packing.h"
#include "tensor.h"

namespace mtcnn {

// A layer, or a layer with the PReLU that follows it, prepared to run.
struct PlanarStage {
    enum class Kind { kConvolution, kPooling, kFullyConnected, kPRelu, kSigmoid };
    Kind kind = Kind::kSigmoid;
    std::string name, prelu_name;  // prelu_name is empty without a PReLU
    int in_maps = 0, out_maps = 0;
    int kernel_y = 1, kernel_x = 1, stride_y = 1, stride_x = 1;
    Buffer<float> weights, bias, slopes;
    Magnitudes magnitudes{};  // of the weights of a convolution
    Buffer<double> wide_weights;
    std::int64_t steps = 1;  // multiply-adds for one pixel
    int chunk = 0;           // pixels of a row per kernel call

    std::pair<int, int> out_size(int height, int width) const;
    bool fused() const { return !prelu_name.empty(); }
    const float* fused_slopes() const { return fused() ? slopes.data() : nullptr; }
};

// Ring buffer of the rows that a stage has produced and the next stage still needs.
struct RowRing {
    Buffer<float> memory;
    int capacity = 0, maps = 0, next = 0;
    std::ptrdiff_t map_stride = 0;

    static double bytes(int rows, int map_count, int width);
    void prepare(int rows, int map_count, int width, int first, CancellationPoint& cancellation_point);
    float* row(int y) { return memory.data() + std::ptrdiff_t{y % capacity} * maps * map_stride; }
};

struct PlanarScratch {
    std::vector<RowRing> rings;  // [0] is the input
    std::vector<std::pair<int, int>> sizes;
    std::vector<const float*> rows;
};

class PlanarNetwork {
public:
    // A layer and the PReLU after it form one stage. The kernels must outlive the network.
    PlanarNetwork(const Network& network, int in_maps, const Kernels& kernels);

    // Writes row y of the input. Its maps are map_stride apart.
    using Source = std::function<void(int y, float* row, std::ptrdiff_t map_stride)>;
    // Receives row y of the output.
    using Sink = std::function<void(int y, const float* row, std::ptrdiff_t map_stride)>;
    using LayerHook = std::function<void(const std::string& layer, const TensorView& maps)>;

    // Computes rows [from, to) of the output for an input of height x width, which must be large enough for the
    // network.
    void run(int height, int width, int from, int to, const Source& source, const Sink& sink, PlanarScratch& scratch,
             CancellationPoint& cancellation_point) const {
        run_stages(stages_.size(), height, width, from, to, source, sink, scratch, cancellation_point);
    }

    // The same for the output of the first `count` stages.
    void run_stages(std::size_t count, int height, int width, int from, int to, const Source& source, const Sink& sink,
                    PlanarScratch& scratch, CancellationPoint& cancellation_point) const;

    // Computes the whole output, one layer after the other. The hook gets the maps of a layer before the next one runs.
    // The maps of two layers are in memory at a time.
    void run_with_hook(int height, int width, const Source& source, const Sink& sink, const LayerHook& hook,
                       CancellationPoint& cancellation_point) const;

    // Bytes that run() and run_with_hook() need for an input of that size.
    double bytes_to_run(int height, int width) const;
    double bytes_to_run_with_hook(int height, int width) const;

    const std::vector<PlanarStage>& stages() const { return stages_; }

private:
    // Number of maps, height and width of the input and of the output of each stage.
    std::vector<std::array<int, 3>> sizes(int height, int width) const;
    struct Row;  // one row of a stage's output and its input
    void produce(std::size_t stage, int upto, const Source& source, PlanarScratch& scratch,
                 CancellationPoint& cancellation_point) const;
    void compute_row(const PlanarStage& stage, const float* slopes, int y, RowRing& in,
                     const std::pair<int, int>& in_size, RowRing& out, int out_width, std::vector<const float*>& rows,
                     CancellationPoint& cancellation_point) const;
    void compute_piece(const PlanarStage& stage, const float* slopes, const Row& row) const;
    void rectify(const float* slopes, int maps, const float* in, std::ptrdiff_t in_stride, float* out,
                 std::ptrdiff_t out_stride, int width) const;

    const Kernels& kernels_;
    int in_maps_;
    std::vector<PlanarStage> stages_;
};

}  // namespace mtcnn
