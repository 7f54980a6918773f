#include "placement.h"

#if defined(__linux__)
#include <pthread.h>
#endif

namespace mtcnn {

#if defined(__linux__)

int Placement::here() { return sched_getcpu(); }

void Placement::keep_off(std::thread& thread) {
    // What an earlier call left, if the thread did not wake since, is not what it may.
    if (!kept_off_ && pthread_getaffinity_np(thread.native_handle(), sizeof allowed_, &allowed_) != 0) return;
    cpu_set_t others = allowed_;
    CPU_CLR(static_cast<unsigned>(here()), &others);  // nothing where the number is too large or unknown
    if (CPU_COUNT(&others) == 0) return;
    if (pthread_setaffinity_np(thread.native_handle(), sizeof others, &others) == 0) kept_off_ = true;
}

void Placement::undo() {
    if (kept_off_) pthread_setaffinity_np(pthread_self(), sizeof allowed_, &allowed_);
    kept_off_ = false;
}

#else

int Placement::here() { return -1; }
void Placement::keep_off(std::thread&) {}
void Placement::undo() {}

#endif

}  // namespace mtcnn
