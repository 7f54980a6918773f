// What a detector keeps from one detection to the next: scratch memory, and threads that wait.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "crew.h"
#include "workspace.h"

namespace mtcnn {

class Standing {
public:
    explicit Standing(const Kernels& kernels) : kernels_(kernels) {}

    std::unique_ptr<Workspace> borrow();
    void give_back(std::unique_ptr<Workspace> workspace) noexcept;

    Crew crew;

private:
    const Kernels& kernels_;
    std::mutex lock_;
    std::vector<std::unique_ptr<Workspace>> free_;  // has room for all
    std::size_t made_ = 0;
};

// The one of this process. A child of fork() makes its own: there are no threads in it, and another thread may have
// held a lock. What the parent had then is left as it is, never freed.
class StandingOfProcess {
public:
    explicit StandingOfProcess(const Kernels& kernels);
    ~StandingOfProcess();
    StandingOfProcess(const StandingOfProcess&) = delete;
    StandingOfProcess& operator=(const StandingOfProcess&) = delete;

    Standing& get();

private:
    struct Owned;
    const Kernels& kernels_;
    std::atomic<Owned*> owned_;
};

}  // namespace mtcnn
