// Two words of compiler dialect: inline for certain, and unroll the loop that follows in full.
#pragma once

#if defined(__clang__)
#define MTCNN_UNROLL _Pragma("clang loop unroll(full)")
#define MTCNN_INLINE inline __attribute__((always_inline))
#elif defined(__GNUC__)
#define MTCNN_UNROLL _Pragma("GCC unroll 32")
#define MTCNN_INLINE inline __attribute__((always_inline))
#else
#define MTCNN_UNROLL
#define MTCNN_INLINE __forceinline
#endif
