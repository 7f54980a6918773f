// Words of compiler dialect: inline for certain; unroll the loop that follows in full, or as far as a common kernel's
// side goes.
#pragma once

#if defined(__clang__)
#define MTCNN_UNROLL _Pragma("clang loop unroll(full)")
#define MTCNN_UNROLL_SIDE _Pragma("clang loop unroll_count(3)")
#define MTCNN_INLINE inline __attribute__((always_inline))
#elif defined(__GNUC__)
#define MTCNN_UNROLL _Pragma("GCC unroll 32")
#define MTCNN_UNROLL_SIDE _Pragma("GCC unroll 3")
#define MTCNN_INLINE inline __attribute__((always_inline))
#else
#define MTCNN_UNROLL
#define MTCNN_UNROLL_SIDE
#define MTCNN_INLINE __forceinline
#endif
