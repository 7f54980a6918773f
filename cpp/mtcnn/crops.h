// A network on every square: cut, resize, run.
#pragma once

#include <vector>

#include "cascade.h"
#include "parallel.h"
#include "workspace.h"

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
CropResults classify(const Classifier& classifier, const std::vector<Box>& squares, const Image& image,
                     const Workspaces& workspaces, Team& team, int threads, const Tap& tap);

}  // namespace mtcnn
