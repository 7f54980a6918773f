// Runs a network on every square: cut, resize, run.
#pragma once

#include <vector>

#include "run.h"

namespace mtcnn {

// A network for crops.
struct Classifier {
    const char* stage;
    int side;
    const CropNetwork& network;
};

struct CropResults {
    std::vector<float> scores;
    std::vector<Offsets> offsets;
    std::vector<Landmarks> landmarks;  // empty if the network has no landmarks
};

// Returns the results for all squares. Each must overlap the image. If there is a hook, it is called with all layers on
// the calling thread.
CropResults classify(Run& run, const Classifier& classifier, const std::vector<Box>& squares, int threads);

}  // namespace mtcnn
