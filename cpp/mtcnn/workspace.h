// The scratch memory of one thread, kept from one detection to the next; and a stopwatch.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "crop_network.h"
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
    explicit Workspace(const Kernels& kernels) : resampler(kernels, checkpoint) {}

    // Does a part of the resizing, timed if a profile wants it.
    template <class Work>
    void resize(const Work& work) {
        if (!timed) return work();
        Stopwatch watch;
        work();
        resize_seconds += watch.lap();
    }

    Checkpoint checkpoint;
    Resampler resampler;
    PlanarScratch planar;
    ProposalScratch proposals;
    CropScratch crops;
    Buffer<std::int32_t> positions;
    bool timed = false;
    double resize_seconds = 0;
};

using Workspaces = std::vector<std::unique_ptr<Workspace>>;

}  // namespace mtcnn
