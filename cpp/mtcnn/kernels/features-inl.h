// CPU features that the compiler may use in this file. Include this once per instruction set: its table of kernels
// requires all of them from the CPU.
#pragma once

#include "cpu.h"

namespace {

// MSVC defines macros for few of the features that its options enable.
#if defined(_MSC_VER) && !defined(__clang__) && defined(__AVX2__)
constexpr std::uint32_t kImpliedFeatures = mtcnn::kSse3 | mtcnn::kSsse3 | mtcnn::kSse41 | mtcnn::kSse42 |
                                           mtcnn::kPopcnt | mtcnn::kMovbe | mtcnn::kLzcnt | mtcnn::kBmi1 |
                                           mtcnn::kBmi2 | mtcnn::kF16c | mtcnn::kFma;
#else
constexpr std::uint32_t kImpliedFeatures = 0;
#endif

constexpr std::uint32_t kEnabledFeatures = kImpliedFeatures
#if defined(__SSE3__)
                                           | mtcnn::kSse3
#endif
#if defined(__SSSE3__)
                                           | mtcnn::kSsse3
#endif
#if defined(__SSE4_1__)
                                           | mtcnn::kSse41
#endif
#if defined(__SSE4_2__)
                                           | mtcnn::kSse42
#endif
#if defined(__POPCNT__)
                                           | mtcnn::kPopcnt
#endif
#if defined(__MOVBE__)
                                           | mtcnn::kMovbe
#endif
#if defined(__LZCNT__)
                                           | mtcnn::kLzcnt
#endif
#if defined(__BMI__)
                                           | mtcnn::kBmi1
#endif
#if defined(__BMI2__)
                                           | mtcnn::kBmi2
#endif
#if defined(__F16C__)
                                           | mtcnn::kF16c
#endif
#if defined(__FMA__)
                                           | mtcnn::kFma
#endif
#if defined(__AVX__)
                                           | mtcnn::kAvx
#endif
#if defined(__AVX2__)
                                           | mtcnn::kAvx2
#endif
#if defined(__AVX512F__)
                                           | mtcnn::kAvx512f
#endif
#if defined(__AVX512CD__)
                                           | mtcnn::kAvx512cd
#endif
#if defined(__AVX512BW__)
                                           | mtcnn::kAvx512bw
#endif
#if defined(__AVX512DQ__)
                                           | mtcnn::kAvx512dq
#endif
#if defined(__AVX512VL__)
                                           | mtcnn::kAvx512vl
#endif
    ;

}  // namespace
