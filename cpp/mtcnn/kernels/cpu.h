// Features of the CPU and the operating system. Macros of the compiler select the kind of CPU, because one build may be
// for two kinds (macOS).
#pragma once

#include <cstdint>

#if defined(__x86_64__) || (defined(_M_X64) && !defined(_M_ARM64EC))
#define MTCNN_X86_64 1
#else
#define MTCNN_X86_64 0
#endif
#if MTCNN_X86_64 || (defined(__EMSCRIPTEN__) && defined(__SSE2__))  // Emscripten maps SSE2 to WebAssembly's SIMD
#define MTCNN_SSE2 1
#else
#define MTCNN_SSE2 0
#endif
#if defined(__aarch64__) || defined(_M_ARM64)
#define MTCNN_ARM64 1
#else
#define MTCNN_ARM64 0
#endif

namespace mtcnn {

// Features that some x86-64 CPUs have: bits of a set.
enum CpuFeature : std::uint32_t {
    kSse3 = 1U << 0,
    kSsse3 = 1U << 1,
    kSse41 = 1U << 2,
    kSse42 = 1U << 3,
    kPopcnt = 1U << 4,
    kMovbe = 1U << 5,
    kLzcnt = 1U << 6,
    kBmi1 = 1U << 7,
    kBmi2 = 1U << 8,
    kF16c = 1U << 9,
    kFma = 1U << 10,
    kAvx = 1U << 11,
    kAvx2 = 1U << 12,
    kAvx512f = 1U << 13,
    kAvx512cd = 1U << 14,
    kAvx512bw = 1U << 15,
    kAvx512dq = 1U << 16,
    kAvx512vl = 1U << 17,
};

// Results of the instructions "cpuid" and "xgetbv".
struct CpuidResult {
    std::uint32_t leaf1_ecx, leaf7_ebx, extended1_ecx;
    std::uint64_t saved;  // registers that the operating system saves at a thread switch
};

// The set of usable features for these results.
std::uint32_t features_of(const CpuidResult& cpuid);

// Whether this CPU has all features of a set.
bool cpu_has(std::uint32_t features);

}  // namespace mtcnn
