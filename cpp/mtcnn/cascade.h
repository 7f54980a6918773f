// The detector: pyramid -> PNet -> RNet -> ONet.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "boxes.h"
#include "crop_network.h"
#include "model.h"
#include "planar_network.h"
#include "resize.h"
#include "stop.h"
#include "tensor.h"

namespace mtcnn {

class StandingOfProcess;

struct Options {
    double min_face = 60;  // pixels
    std::array<float, 3> thresholds = {0.6F, 0.7F, 0.7F};
    double scale_factor = 0.709;
    int threads = 1;
    std::int64_t memory_limit = 0;  // bytes that a detection may take; 0: what is free

    // Throws std::invalid_argument naming the first option that is out of its range.
    void check() const;
};

// Pixels: left eye, right eye, nose, left and right corner of the mouth; x, y each.
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

// The levels of the pyramid; none when the image is smaller than the smallest face.
std::vector<Level> pyramid(int height, int width, const Options& options);

// Seconds of one detection. `proposals` is a part of `pnet`. `resize` is a part of the three networks' time, added up
// over all threads.
struct Profile {
    double resize = 0, pnet = 0, proposals = 0, rnet = 0, onet = 0, total = 0;
    int boxes_into_rnet = 0, boxes_into_onet = 0;
};

// Immutable; may be used by several threads at a time. Scratch memory is kept from one detection to the next, and so
// are threads, which sleep in between. A child of fork() may use it too, with threads of its own.
class Detector {
public:
    // The kernels must outlive the detector. Throws std::invalid_argument when a network does not fit its stage.
    Detector(Model model, const Kernels& kernels);
    ~Detector();
    Detector(const Detector&) = delete;
    Detector& operator=(const Detector&) = delete;

    // With a tap every tensor is shown, and all is computed on the calling thread. The caller's floating-point mode
    // changes nothing and holds again afterwards, and whenever the tap or the interruption's poll is called. After
    // an exception, of whatever kind, the detector is as usable as before. Throws MemoryLimit before it takes more
    // memory than it may.
    Detections detect(const Image& image, const Options& options, const Tap& tap = {}, Profile* profile = nullptr,
                      const Interruption& interruption = {}) const;

    const Model& model() const { return model_; }
    const Kernels& kernels() const { return kernels_; }
    const PlanarNetwork& pnet() const { return pnet_; }
    const CropNetwork& rnet() const { return rnet_; }
    const CropNetwork& onet() const { return onet_; }
    // The same, to be watched layer by layer.
    const PlanarNetwork& pnet_layers() const { return pnet_layers_; }
    const CropNetwork& rnet_layers() const { return rnet_layers_; }
    const CropNetwork& onet_layers() const { return onet_layers_; }

private:
    friend class Run;
    Detections compute(const Image& image, const Options& options, const Tap& tap, Profile* profile,
                       const Interruption& interruption) const;

    Model model_;
    const Kernels& kernels_;
    PlanarNetwork pnet_, pnet_layers_;
    CropNetwork rnet_, rnet_layers_, onet_, onet_layers_;
    std::unique_ptr<StandingOfProcess> standing_;
};

}  // namespace mtcnn
