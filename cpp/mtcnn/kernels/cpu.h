// What the processor and the operating system can run. The compiler says which kind of processor it is: one build may
// be for two of them (macOS).
#pragma once

#if defined(__x86_64__) || (defined(_M_X64) && !defined(_M_ARM64EC))
#define MTCNN_X86_64 1
#else
#define MTCNN_X86_64 0
#endif
#if defined(__aarch64__) || defined(_M_ARM64)
#define MTCNN_ARM64 1
#else
#define MTCNN_ARM64 0
#endif

namespace mtcnn {

bool cpu_has_avx2();    // AVX2 and FMA
bool cpu_has_avx512();  // AVX-512F, AVX2 and FMA

}  // namespace mtcnn
