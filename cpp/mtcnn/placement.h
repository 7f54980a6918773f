// CPU on which a waiting thread continues.
#pragma once

#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif

namespace mtcnn {

// Linux in a virtual machine assumes that a CPU that was idle for a while is not available. It wakes a thread on the
// CPU of the waking thread and leaves both there for some milliseconds. To prevent that, the thread must not use that
// CPU until it runs. This class has no effect on other systems.
class Placement {
public:
    // Number of the CPU on which the calling thread runs; -1 if unknown.
    static int current_cpu();

    // Makes a waiting thread continue on a CPU other than the caller's, if its affinity mask allows another.
    void avoid_current_cpu(std::thread& thread);

    // Restores the affinity mask. Called by that thread when it runs.
    void restore();

#if defined(__linux__)
private:
    bool changed_ = false;
    cpu_set_t allowed_{};  // the mask to restore
#endif
};

}  // namespace mtcnn
