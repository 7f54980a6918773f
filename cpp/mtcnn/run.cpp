#include "run.h"

#include <algorithm>

namespace mtcnn {
namespace {

constexpr int kThreadsAtMost = 1024;

}  // namespace

Run::Run(const Request& request) : Request(request), standing_(detector.standing_->get()) { borrow(1); }

Run::~Run() {
    for (auto& workspace : workspaces_) standing_.give_back(std::move(workspace));
}

void Run::borrow(int threads) {
    workspaces_.reserve(static_cast<std::size_t>(threads));
    for (int i = static_cast<int>(workspaces_.size()); i < threads; ++i) {
        workspaces_.push_back(standing_.borrow());
        workspaces_.back()->checkpoint = Checkpoint(alarm, i == 0);
        workspaces_.back()->timed = profile != nullptr;
    }
}

int Run::threads_for(double work) {
    const int most = tap ? 1 : std::min(options.threads, kThreadsAtMost);
    const int threads = static_cast<int>(std::clamp(work, 1.0, static_cast<double>(most)));
    borrow(threads);
    return threads;
}

double Run::resize_seconds() const {
    double seconds = 0;
    for (const auto& workspace : workspaces_) seconds += workspace->resize_seconds;
    return seconds;
}

}  // namespace mtcnn
