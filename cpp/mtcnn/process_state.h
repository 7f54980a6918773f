// State that a detector keeps between detections: scratch memory and waiting threads.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "thread_pool.h"
#include "workspace.h"

namespace mtcnn {

class PersistentState {
public:
    explicit PersistentState(const Kernels& kernels) : kernels_(kernels) {}

    std::unique_ptr<Workspace> acquire();
    void release(std::unique_ptr<Workspace> workspace) noexcept;

    ThreadPool pool;

private:
    const Kernels& kernels_;
    std::mutex lock_;
    std::vector<std::unique_ptr<Workspace>> free_;  // has capacity for all
    std::size_t created_ = 0;
};

// The persistent state of the current process. A child of fork() creates its own: it has no threads, and a lock may be
// held by a thread of the parent. The child never accesses or frees the state of the parent.
class ProcessState {
public:
    explicit ProcessState(const Kernels& kernels);
    ~ProcessState();
    ProcessState(const ProcessState&) = delete;
    ProcessState& operator=(const ProcessState&) = delete;

    PersistentState& get();

private:
    struct Owned;
    const Kernels& kernels_;
    std::atomic<Owned*> owned_;
};

}  // namespace mtcnn
