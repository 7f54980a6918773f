// Compiler-specific attributes. MTCNN_INLINE: always inline. MTCNN_NOINLINE: never inline. MTCNN_UNROLL: unroll the
// next loop completely. MTCNN_UNROLL_SIDE: unroll it three times, the usual side of a convolution kernel.
// MTCNN_UNLIKELY: follows a condition that is rarely true.
#pragma once

#if defined(__clang__)
#define MTCNN_UNROLL _Pragma("clang loop unroll(full)")
#define MTCNN_UNROLL_SIDE _Pragma("clang loop unroll_count(3)")
#define MTCNN_INLINE inline __attribute__((always_inline))
#elif defined(__GNUC__)
#define MTCNN_UNROLL _Pragma("GCC unroll 32")
#define MTCNN_UNROLL_SIDE _Pragma("GCC unroll 3")
#define MTCNN_INLINE inline __attribute__((always_inline))
#else  // MSVC decides on unrolling by heuristics: cmake/Isa.cmake warns
#define MTCNN_UNROLL
#define MTCNN_UNROLL_SIDE
#define MTCNN_INLINE __forceinline
#endif

#if defined(_MSC_VER) && !defined(__clang__)
#define MTCNN_NOINLINE __declspec(noinline)
#else
#define MTCNN_NOINLINE __attribute__((noinline))
#endif
#define MTCNN_UNLIKELY [[unlikely]]
