// What one thread of a detection needs, kept from one detection to the next; and how time is taken.
#pragma once

#include <chrono>

#include "cascade.h"

namespace mtcnn {

struct Detector::Workspace {
    explicit Workspace(const Kernels& kernels) : resampler(kernels) {}
    Resampler resampler;
    PlanarScratch planar;
    CropScratch crops;
    Buffer<std::int32_t> positions;
    double resize_seconds = 0;
};

class Stopwatch {
public:
    double lap() {
        const auto now = std::chrono::steady_clock::now();
        const double seconds = std::chrono::duration<double>(now - last_).count();
        last_ = now;
        return seconds;
    }

private:
    std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

}  // namespace mtcnn
