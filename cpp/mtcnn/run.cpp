#include "run.h"

#include <algorithm>

namespace mtcnn {
namespace {

constexpr int kThreadsAtMost = 1024;

}  // namespace

Run::Run(const Request& request) : Request(request) {
    const int threads = tap ? 1 : std::min(options.threads, kThreadsAtMost);
    for (int i = 0; i < threads; ++i) {
        workspaces_.push_back(detector.borrow());
        workspaces_.back()->checkpoint = Checkpoint(alarm, i == 0);
        workspaces_.back()->timed = profile != nullptr;
    }
}

Run::~Run() {
    for (auto& workspace : workspaces_) detector.give_back(std::move(workspace));
}

int Run::threads_for(double work) const {
    return static_cast<int>(std::clamp(work, 1.0, static_cast<double>(workspaces_.size())));
}

double Run::resize_seconds() const {
    double seconds = 0;
    for (const auto& workspace : workspaces_) seconds += workspace->resize_seconds;
    return seconds;
}

}  // namespace mtcnn
