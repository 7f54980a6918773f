// On which processor a thread that waits goes on.
#pragma once

#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif

namespace mtcnn {

// A virtual machine's Linux takes a processor that was idle for a while for one that its host has taken away, wakes a
// thread beside the one that wakes it, and leaves both there for some milliseconds. So the thread is kept off that
// processor until it runs. Does nothing on other systems.
class Placement {
public:
    // The number of the processor that this runs on; -1 where that is not known.
    static int here();

    // The thread, which waits, will not go on on the processor of the caller, if it may run on any other.
    void keep_off(std::thread& thread);

    // Called by that thread when it runs: it may run again wherever it might before.
    void undo();

#if defined(__linux__)
private:
    bool kept_off_ = false;
    cpu_set_t allowed_{};  // before
#endif
};

}  // namespace mtcnn
