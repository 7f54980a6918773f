#include "standing.h"

#if !defined(_WIN32)
#include <unistd.h>
#endif

namespace mtcnn {
namespace {

long process_id() {
#if defined(_WIN32)
    return 0;  // no fork
#else
    return getpid();
#endif
}

}  // namespace

std::unique_ptr<Workspace> Standing::borrow() {
    {
        const std::scoped_lock lock(lock_);
        if (!free_.empty()) {
            auto workspace = std::move(free_.back());
            free_.pop_back();
            return workspace;
        }
        // Room for all that were ever made: giving one back takes no memory.
        free_.reserve(made_ + 1);
        ++made_;
    }
    return std::make_unique<Workspace>(kernels_);
}

void Standing::give_back(std::unique_ptr<Workspace> workspace) noexcept {
    workspace->checkpoint = Checkpoint();
    workspace->timed = false;
    workspace->resize_seconds = 0;
    const std::scoped_lock lock(lock_);
    free_.push_back(std::move(workspace));
}

struct StandingOfProcess::Owned {
    explicit Owned(const Kernels& kernels) : standing(kernels) {}
    long process = process_id();
    Standing standing;
};

StandingOfProcess::StandingOfProcess(const Kernels& kernels) : kernels_(kernels), owned_(new Owned(kernels)) {}

StandingOfProcess::~StandingOfProcess() {
    const Owned* owned = owned_.load();
    if (owned->process == process_id()) delete owned;
}

Standing& StandingOfProcess::get() {
    Owned* owned = owned_.load();
    if (owned->process == process_id()) return owned->standing;
    auto fresh = std::make_unique<Owned>(kernels_);
    // Another thread of the child may have been faster.
    if (owned_.compare_exchange_strong(owned, fresh.get())) return fresh.release()->standing;
    return owned->standing;
}

}  // namespace mtcnn
