// Requests memory in advance.
#pragma once

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#endif

namespace mtcnn {

inline constexpr int kCacheLine = 64;  // bytes

// Has no effect except that a later read is faster. The address need not be valid.
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
