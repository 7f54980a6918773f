// Asks for memory before it is read.
#pragma once

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#endif

namespace mtcnn {

inline constexpr int kCacheLine = 64;  // bytes

// Changes nothing but the time that a later read takes; the address need not be valid.
inline void prefetch(const void* address) {
#if !defined(_MSC_VER) || defined(__clang__)
    __builtin_prefetch(address);
#elif defined(_M_X64)
    _mm_prefetch(static_cast<const char*>(address), _MM_HINT_T0);
#else
    __prefetch(address);
#endif
}

}  // namespace mtcnn
