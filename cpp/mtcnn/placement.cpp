#include "placement.h"

#if defined(__linux__)
#include <pthread.h>
#endif

namespace mtcnn {

#if defined(__linux__)

int Placement::current_cpu() { return sched_getcpu(); }

void Placement::avoid_current_cpu(std::thread& thread) {
    // If the thread has not run since an earlier call, `allowed_` is still the mask to restore.
    if (!changed_ && pthread_getaffinity_np(thread.native_handle(), sizeof allowed_, &allowed_) != 0) return;
    cpu_set_t others = allowed_;
    CPU_CLR(static_cast<unsigned>(current_cpu()), &others);  // no effect if the number is too large or unknown
    if (CPU_COUNT(&others) == 0) return;
    if (pthread_setaffinity_np(thread.native_handle(), sizeof others, &others) == 0) changed_ = true;
}

void Placement::restore() {
    if (changed_) pthread_setaffinity_np(pthread_self(), sizeof allowed_, &allowed_);
    changed_ = false;
}

#else

int Placement::current_cpu() { return -1; }
void Placement::avoid_current_cpu(std::thread&) {}
void Placement::restore() {}

#endif

}  // namespace mtcnn
