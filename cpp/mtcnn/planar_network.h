// A network that runs on maps of any size (PNet), row by row: every layer keeps only the rows that the next one
// still needs, so that all of it stays in the cache. Planar maps, lanes over pixels.
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

// One layer, or a layer with the PReLU that follows it, ready to run.
struct PlanarStage {
    enum class Kind { kConvolution, kPooling, kDense, kPRelu, kSigmoid };
    Kind kind = Kind::kSigmoid;
    std::string name;  // of its last layer
    int in_maps = 0, out_maps = 0;
    int kernel_y = 1, kernel_x = 1, stride_y = 1, stride_x = 1;
    Buffer<float> weights, bias, slopes;
    Buffer<double> wide_weights;
    bool fused = false;      // a PReLU on the way out
    std::int64_t steps = 1;  // multiply-adds for one pixel
    int piece = 0;           // pixels of a row that are computed at a time

    std::pair<int, int> out_size(int height, int width) const;
};

// Rows that a stage has produced and the next one still reads: a ring.
struct RowRing {
    Buffer<float> memory;
    int capacity = 0, maps = 0, next = 0;
    std::ptrdiff_t map_stride = 0;

    static double bytes(int rows, int map_count, int width);
    void prepare(int rows, int map_count, int width, int first, Checkpoint& checkpoint);
    float* row(int y) { return memory.data() + std::ptrdiff_t{y % capacity} * maps * map_stride; }
};

struct PlanarScratch {
    std::vector<RowRing> rings;  // [0] is the input
    std::vector<std::pair<int, int>> sizes;
    std::vector<const float*> rows;
};

class PlanarNetwork {
public:
    // fuse: a layer and the PReLU after it are one stage; otherwise every layer is a stage, to be watched one by one.
    // The kernels must outlive the network.
    PlanarNetwork(const Network& network, int in_maps, const Kernels& kernels, bool fuse);

    // Writes row y of the input: its maps map_stride apart.
    using Source = std::function<void(int y, float* row, std::ptrdiff_t map_stride)>;
    // Takes row y of the output.
    using Sink = std::function<void(int y, const float* row, std::ptrdiff_t map_stride)>;
    using Watch = std::function<void(const std::string& layer, const TensorView& maps)>;

    // Rows [from, to) of the output, for an input of height x width on which the network fits.
    void run(int height, int width, int from, int to, const Source& source, const Sink& sink, PlanarScratch& scratch,
             Checkpoint& checkpoint) const;

    // The whole output, stage after stage; each stage's maps are shown before the next one runs. Two stages' maps are
    // in memory at a time.
    void run_watched(int height, int width, const Source& source, const Sink& sink, const Watch& watch,
                     Checkpoint& checkpoint) const;

    // Bytes that run() needs for an input of that size, and run_watched().
    double bytes_to_run(int height, int width) const;
    double bytes_to_watch(int height, int width) const;

    const std::vector<PlanarStage>& stages() const { return stages_; }

private:
    // Maps, height and width of the input and of each stage's output.
    std::vector<std::array<int, 3>> sizes(int height, int width) const;
    struct Row;  // of a stage's output, and what it is computed from
    void produce(std::size_t stage, int upto, const Source& source, PlanarScratch& scratch,
                 Checkpoint& checkpoint) const;
    void compute_row(const PlanarStage& stage, int y, RowRing& in, const std::pair<int, int>& in_size, RowRing& out,
                     int out_width, std::vector<const float*>& rows, Checkpoint& checkpoint) const;
    void compute_piece(const PlanarStage& stage, const Row& row) const;

    const Kernels& kernels_;
    int in_maps_;
    std::vector<PlanarStage> stages_;
};

}  // namespace mtcnn
