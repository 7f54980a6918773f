#include "cpu.h"

#if defined(_MSC_VER) && !defined(__clang__) && defined(_M_X64)
#include <immintrin.h>
#include <intrin.h>
namespace {
struct Leaf {
    int eax, ebx, ecx, edx;
};
Leaf leaf(int number) {
    int r[4];
    __cpuidex(r, number, 0);
    return {r[0], r[1], r[2], r[3]};
}
// Whether the operating system saves these register states: 6 is XMM and YMM, 0xE6 adds the AVX-512 ones.
bool saves(unsigned long long states) { return (leaf(1).ecx & (1 << 27)) != 0 && (_xgetbv(0) & states) == states; }
}  // namespace
bool mtcnn::cpu_has_avx2() { return saves(6) && (leaf(1).ecx & (1 << 12)) != 0 && (leaf(7).ebx & (1 << 5)) != 0; }
bool mtcnn::cpu_has_avx512() { return cpu_has_avx2() && saves(0xE6) && (leaf(7).ebx & (1 << 16)) != 0; }
#elif defined(__x86_64__)
bool mtcnn::cpu_has_avx2() { return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0; }
bool mtcnn::cpu_has_avx512() { return cpu_has_avx2() && __builtin_cpu_supports("avx512f") != 0; }
#else
bool mtcnn::cpu_has_avx2() { return false; }
bool mtcnn::cpu_has_avx512() { return false; }
#endif
