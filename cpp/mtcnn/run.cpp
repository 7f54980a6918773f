#include "run.h"

#include <algorithm>

namespace mtcnn {
namespace {

constexpr int kMaxThreads = 1024;

}  // namespace

Run::Run(const Request& request) : Request(request), state_(detector.state_->get()) { acquire_workspaces(1); }

Run::~Run() {
    for (auto& workspace : workspaces_) state_.release(std::move(workspace));
}

void Run::acquire_workspaces(int threads) {
    workspaces_.reserve(static_cast<std::size_t>(threads));
    for (int i = static_cast<int>(workspaces_.size()); i < threads; ++i) {
        workspaces_.push_back(state_.acquire());
        workspaces_.back()->cancellation_point = CancellationPoint(token, i == 0);
        workspaces_.back()->timed = profile != nullptr;
    }
}

int Run::threads_for(double work) {
    const int most = hook ? 1 : std::min(options.threads, kMaxThreads);
    const int threads = static_cast<int>(std::clamp(work, 1.0, static_cast<double>(most)));
    acquire_workspaces(threads);
    return threads;
}

double Run::resize_seconds() const {
    double seconds = 0;
    for (const auto& workspace : workspaces_) seconds += workspace->resize_seconds;
    return seconds;
}

}  // namespace mtcnn
