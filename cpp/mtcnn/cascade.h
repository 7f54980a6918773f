// The detector: pyramid -> PNet -> RNet -> ONet.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "boxes.h"
#include "cancellation.h"
#include "crop_network.h"
#include "heat_map_filter.h"
#include "model.h"
#include "planar_network.h"
#include "resize.h"
#include "tensor.h"

namespace mtcnn {

class ProcessState;

struct Options {
    double min_face = 60;  // pixels
    std::array<float, 3> thresholds = {0.6F, 0.7F, 0.7F};
    double scale_factor = 0.709;
    int threads = 1;
    std::int64_t memory_limit = 0;  // maximum bytes of a detection; 0: the free memory

    // Throws std::invalid_argument with the name of the first option that is out of range.
    void check() const;
};

// x and y in pixels of: left eye, right eye, nose, left and right corner of the mouth.
using Landmarks = std::array<float, 10>;

struct Detections {
    std::vector<Box> boxes;
    std::vector<float> scores;
    std::vector<Landmarks> landmarks;
};

struct Level {
    double scale;
    int height, width;
};

// The levels of the pyramid. Empty if the image is smaller than the smallest face.
std::vector<Level> pyramid(int height, int width, const Options& options);

// Seconds of one detection. `proposals` is a part of `pnet`. `resize` is a part of the times of the three networks,
// summed over all threads.
struct Profile {
    double resize = 0, pnet = 0, proposals = 0, rnet = 0, onet = 0, total = 0;
    int boxes_into_rnet = 0, boxes_into_onet = 0;
};

// Immutable; several threads may use it at the same time. It keeps scratch memory and sleeping threads between
// detections. A child of fork() may use it too; it gets its own threads.
class Detector {
public:
    // The kernels must outlive the detector. Throws std::invalid_argument if a network does not match its stage.
    // filter: whether approximations with a bound of their error may reject positions of PNet's heat maps. The results
    // are the same.
    Detector(Model model, const Kernels& kernels, bool filter = true);
    ~Detector();
    Detector(const Detector&) = delete;
    Detector& operator=(const Detector&) = delete;

    // If there is a hook, it is called with every tensor and the calling thread computes everything. The floating-point
    // mode of the caller has no influence. It is restored at the end and for each call of the hook and of `poll`. After
    // any exception the detector remains usable. Throws MemoryLimit before it exceeds the memory limit.
    Detections detect(const Image& image, const Options& options, const Hook& hook = {}, Profile* profile = nullptr,
                      const CancellationOptions& cancellation = {}) const;

    const Model& model() const { return model_; }
    const Kernels& kernels() const { return kernels_; }
    const PlanarNetwork& pnet() const { return pnet_; }
    const HeatMapFilter* filter() const { return filter_ ? &*filter_ : nullptr; }
    const CropNetwork& rnet() const { return rnet_; }
    const CropNetwork& onet() const { return onet_; }

private:
    friend class Run;
    Detections compute(const Image& image, const Options& options, const Hook& hook, Profile* profile,
                       const CancellationOptions& cancellation) const;

    Model model_;
    const Kernels& kernels_;
    PlanarNetwork pnet_;
    std::optional<HeatMapFilter> filter_;
    CropNetwork rnet_, onet_;
    std::unique_ptr<ProcessState> state_;
};

}  // namespace mtcnn
