// Short waits of a thread without sleep.
#pragma once

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#elif defined(_M_ARM64)
#include <intrin.h>
#else
#include <thread>
#endif

namespace mtcnn {

// Number of checks that a waiting thread makes before it sleeps. The time between two runs of tasks is shorter than the
// time to wake a thread.
inline constexpr int kSpins = 4000;

// This is not a system call: a wait calls it thousands of times.
inline void pause() {
#if defined(__x86_64__) || defined(_M_X64)
    _mm_pause();
#elif defined(__aarch64__) && !defined(_MSC_VER)
    asm volatile("isb");  // waits about ten cycles; "yield" has no effect on most processors
#elif defined(_M_ARM64)
    __isb(_ARM64_BARRIER_SY);
#else
    std::this_thread::yield();
#endif
}

}  // namespace mtcnn
