// A network that runs on crops of one size (RNet, ONet), several at a time. H x W x C maps, lanes over channels.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "crop_stage.h"
#include "kernels/kernels.h"
#include "model.h"
#include "tensor.h"

namespace mtcnn {

struct CropScratch {
    Buffer<float> maps[2];      // of one crop, alternating between stages
    Buffer<float> group[2];     // of all crops, alternating between stages
    Buffer<float> interleaved;  // the input, if the first stage needs H x W x C
    Buffer<double> features;
};

class CropNetwork {
public:
    // A layer and the PReLU after it form one stage. The kernels must outlive the network. The network must accept maps
    // in_maps x height x width or, with `flat`, a vector of in_maps values.
    CropNetwork(const Network& network, int in_maps, int height, int width, const Kernels& kernels, bool flat = false);

    // Input of one crop: row y of map c begins at (y * in_maps + c) * row_size().
    int row_size() const { return padded(width_); }
    std::ptrdiff_t input_size() const { return std::ptrdiff_t{height_} * in_maps_ * row_size(); }

    // Best number of crops to compute together.
    int group_size() const { return group_size_; }

    using Source = std::function<void(int crop, float* input)>;
    using LayerHook = std::function<void(const std::string& layer, const TensorView& maps)>;

    // Returns padded(outputs) floats for each crop. They are valid until the next use of the scratch memory.
    const float* run(int crops, const Source& source, CropScratch& scratch,
                     CancellationPoint& cancellation_point) const;

    // Runs one crop (number 0 of the source) and calls the hook with the output of every layer.
    std::vector<float> run_with_hook(const Source& source, const LayerHook& hook,
                                     CancellationPoint& cancellation_point) const;

    const std::vector<CropStage>& stages() const { return stages_; }

private:
    void compute(const CropStage& stage, const float* slopes, bool first, const float* in, float* out, int items,
                 CropScratch& scratch, CancellationPoint& cancellation_point) const;
    void compute_at_once(const CropStage& stage, const float* slopes, bool first, const float* in, float* out,
                         int items, CropScratch& scratch) const;
    const float* interleave(const float* in, int items, CropScratch& scratch) const;
    void convolve(const CropStage& stage, const float* slopes, bool first, const float* in, float* out,
                  int items) const;
    void fully_connected(const CropStage& stage, const float* slopes, const float* in, float* out, int items,
                         CropScratch& scratch) const;

    const Kernels& kernels_;
    int in_maps_, height_, width_;
    std::vector<CropStage> stages_;
    std::size_t split_ = 0;  // earlier stages have large maps and run crop by crop; the others run on a group
    int group_size_ = 1;
};

}  // namespace mtcnn
