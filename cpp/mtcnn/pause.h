// How a thread waits for a moment without going to sleep.
#pragma once

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#elif defined(_M_ARM64)
#include <intrin.h>
#else
#include <thread>
#endif

namespace mtcnn {

// A waiting thread looks this often before it sleeps: the time between two rounds of work is shorter than the time that
// waking a thread takes.
inline constexpr int kLooks = 4000;

// Not a call of the system: a wait would make thousands of them.
inline void pause() {
#if defined(__x86_64__) || defined(_M_X64)
    _mm_pause();
#elif defined(__aarch64__) && !defined(_MSC_VER)
    asm volatile("isb");  // waits some ten cycles; "yield" does nothing on most processors
#elif defined(_M_ARM64)
    __isb(_ARM64_BARRIER_SY);
#else
    std::this_thread::yield();
#endif
}

}  // namespace mtcnn
