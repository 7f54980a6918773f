#include "cpu.h"

// Not __builtin_cpu_supports: it needs a compiler library that does not exist on Windows.
#if MTCNN_X86_64
#if defined(_MSC_VER) && !defined(__clang__)
#include <immintrin.h>
#include <intrin.h>
#else
#include <cpuid.h>
#endif
#endif

namespace mtcnn {
namespace {

constexpr std::uint32_t kOsxsave = 1U << 27;  // of leaf1_ecx: "xgetbv" is available
constexpr std::uint64_t kYmm = 0x06;          // XMM and the upper halves of YMM
constexpr std::uint64_t kZmm = 0xE6;          // and the masks and all of ZMM

struct Row {
    std::uint32_t CpuidResult::* reg;
    std::uint64_t saved;
    CpuFeature feature;
    int bit;
};

constexpr Row kRows[] = {
    {&CpuidResult::leaf1_ecx, 0, kSse3, 0},         {&CpuidResult::leaf1_ecx, 0, kSsse3, 9},
    {&CpuidResult::leaf1_ecx, 0, kSse41, 19},       {&CpuidResult::leaf1_ecx, 0, kSse42, 20},
    {&CpuidResult::leaf1_ecx, 0, kPopcnt, 23},      {&CpuidResult::leaf1_ecx, 0, kMovbe, 22},
    {&CpuidResult::extended1_ecx, 0, kLzcnt, 5},    {&CpuidResult::leaf7_ebx, 0, kBmi1, 3},
    {&CpuidResult::leaf7_ebx, 0, kBmi2, 8},         {&CpuidResult::leaf1_ecx, kYmm, kF16c, 29},
    {&CpuidResult::leaf1_ecx, kYmm, kFma, 12},      {&CpuidResult::leaf1_ecx, kYmm, kAvx, 28},
    {&CpuidResult::leaf7_ebx, kYmm, kAvx2, 5},      {&CpuidResult::leaf7_ebx, kZmm, kAvx512f, 16},
    {&CpuidResult::leaf7_ebx, kZmm, kAvx512cd, 28}, {&CpuidResult::leaf7_ebx, kZmm, kAvx512bw, 30},
    {&CpuidResult::leaf7_ebx, kZmm, kAvx512dq, 17}, {&CpuidResult::leaf7_ebx, kZmm, kAvx512vl, 31},
};

#if MTCNN_X86_64

struct Leaf {
    std::uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

// All zero if the CPU has no such leaf.
Leaf leaf(std::uint32_t number) {
    Leaf l;
#if defined(_MSC_VER) && !defined(__clang__)
    int r[4];
    __cpuid(r, static_cast<int>(number & 0x80000000U));
    if (static_cast<std::uint32_t>(r[0]) < number) return l;
    __cpuidex(r, static_cast<int>(number), 0);
    l = {static_cast<std::uint32_t>(r[0]), static_cast<std::uint32_t>(r[1]), static_cast<std::uint32_t>(r[2]),
         static_cast<std::uint32_t>(r[3])};
#else
    __get_cpuid_count(number, 0, &l.eax, &l.ebx, &l.ecx, &l.edx);
#endif
    return l;
}

std::uint64_t saved_registers() {
#if defined(_MSC_VER) && !defined(__clang__)
    return _xgetbv(0);
#else
    std::uint32_t low = 0;
    std::uint32_t high = 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return std::uint64_t{high} << 32 | low;
#endif
}

CpuidResult read_cpuid() {
    CpuidResult cpuid{leaf(1).ecx, leaf(7).ebx, leaf(0x80000001U).ecx, 0};
    if ((cpuid.leaf1_ecx & kOsxsave) != 0) cpuid.saved = saved_registers();
#if defined(__APPLE__)
    // macOS starts to save the wide registers when a thread first uses them, and does not report them before.
    if ((cpuid.saved & kYmm) == kYmm) cpuid.saved |= kZmm;
#endif
    return cpuid;
}

#endif

}  // namespace

std::uint32_t features_of(const CpuidResult& cpuid) {
    const std::uint64_t saved = (cpuid.leaf1_ecx & kOsxsave) != 0 ? cpuid.saved : 0;
    std::uint32_t features = 0;
    for (const Row& row : kRows) {
        if ((cpuid.*row.reg >> row.bit & 1U) != 0 && (saved & row.saved) == row.saved) features |= row.feature;
    }
    return features;
}

bool cpu_has(std::uint32_t features) {
#if MTCNN_X86_64
    return (features_of(read_cpuid()) & features) == features;
#else
    return features == 0;
#endif
}

}  // namespace mtcnn
