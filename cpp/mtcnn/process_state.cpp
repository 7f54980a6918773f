#include "process_state.h"

#if !defined(_WIN32)
#include <unistd.h>
#endif

namespace mtcnn {
namespace {

long process_id() {
#if defined(_WIN32)
    return 0;  // no fork()
#else
    return getpid();
#endif
}

}  // namespace

std::unique_ptr<Workspace> PersistentState::acquire() {
    {
        const std::scoped_lock lock(lock_);
        if (!free_.empty()) {
            auto workspace = std::move(free_.back());
            free_.pop_back();
            return workspace;
        }
        // Capacity for all workspaces: release() does not allocate.
        free_.reserve(created_ + 1);
        ++created_;
    }
    return std::make_unique<Workspace>(kernels_);
}

void PersistentState::release(std::unique_ptr<Workspace> workspace) noexcept {
    workspace->cancellation_point = CancellationPoint();
    workspace->timed = false;
    workspace->resize_seconds = 0;
    const std::scoped_lock lock(lock_);
    free_.push_back(std::move(workspace));
}

struct ProcessState::Owned {
    explicit Owned(const Kernels& kernels) : state(kernels) {}
    long process = process_id();
    PersistentState state;
};

ProcessState::ProcessState(const Kernels& kernels) : kernels_(kernels), owned_(new Owned(kernels)) {}

ProcessState::~ProcessState() {
    const Owned* owned = owned_.load();
    if (owned->process == process_id()) delete owned;
}

PersistentState& ProcessState::get() {
    Owned* owned = owned_.load();
    if (owned->process == process_id()) return owned->state;
    auto fresh = std::make_unique<Owned>(kernels_);
    // Another thread of the child may have created it first.
    if (owned_.compare_exchange_strong(owned, fresh.get())) return fresh.release()->state;
    return owned->state;
}

}  // namespace mtcnn
