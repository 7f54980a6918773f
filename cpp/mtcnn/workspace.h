// Scratch memory of one thread, kept between detections, and a timer.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "crop_network.h"
#include "heat_map_filter.h"
#include "planar_network.h"
#include "proposals.h"
#include "resize.h"

namespace mtcnn {

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

struct Workspace {
    explicit Workspace(const Kernels& kernels) : resampler(kernels, cancellation_point) {}

    // Runs a part of the resizing. Measures its time if a profile is requested.
    template <class Work>
    void resize(const Work& work) {
        if (!timed) return work();
        Stopwatch stopwatch;
        work();
        resize_seconds += stopwatch.lap();
    }

    CancellationPoint cancellation_point;
    Resampler resampler;
    PlanarScratch planar;
    FilterScratch filter;
    ProposalScratch proposals;
    CropScratch crops;
    Buffer<std::int32_t> positions;
    bool timed = false;
    double resize_seconds = 0;
};

using Workspaces = std::vector<std::unique_ptr<Workspace>>;

}  // namespace mtcnn
