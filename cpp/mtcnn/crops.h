// A network on every square: cut, resize, run.
#pragma once

#include <vector>

#include "run.h"

namespace mtcnn {

// A network for crops, fused and layer by layer.
struct Classifier {
    const char* stage;
    int side;
    const CropNetwork& network;
    const CropNetwork& layers;
};

struct CropResults {
    std::vector<float> scores;
    std::vector<Offsets> offsets;
    std::vector<Landmarks> landmarks;  // empty where the network gives none
};

// Results for every square, which must touch the image. With a tap all layers are shown, on the calling thread.
CropResults classify(Run& run, const Classifier& classifier, const std::vector<Box>& squares, int threads);

}  // namespace mtcnn
