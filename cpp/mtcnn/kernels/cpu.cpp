#include "cpu.h"

// Not __builtin_cpu_supports: it needs a library of the compiler that is not there on Windows.
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

constexpr std::uint32_t kOsxsave = 1U << 27;  // of leaf1_ecx: "xgetbv" may be asked
constexpr std::uint64_t kYmm = 0x06;          // XMM and the upper halves of YMM
constexpr std::uint64_t kZmm = 0xE6;          // and the masks and all of ZMM

struct Row {
    CpuFeature feature;
    std::uint32_t CpuAnswers::* reg;
    int bit;
    std::uint64_t saved;
};

constexpr Row kRows[] = {
    {kSse3, &CpuAnswers::leaf1_ecx, 0, 0},         {kSsse3, &CpuAnswers::leaf1_ecx, 9, 0},
    {kSse41, &CpuAnswers::leaf1_ecx, 19, 0},       {kSse42, &CpuAnswers::leaf1_ecx, 20, 0},
    {kPopcnt, &CpuAnswers::leaf1_ecx, 23, 0},      {kMovbe, &CpuAnswers::leaf1_ecx, 22, 0},
    {kLzcnt, &CpuAnswers::extended1_ecx, 5, 0},    {kBmi1, &CpuAnswers::leaf7_ebx, 3, 0},
    {kBmi2, &CpuAnswers::leaf7_ebx, 8, 0},         {kF16c, &CpuAnswers::leaf1_ecx, 29, kYmm},
    {kFma, &CpuAnswers::leaf1_ecx, 12, kYmm},      {kAvx, &CpuAnswers::leaf1_ecx, 28, kYmm},
    {kAvx2, &CpuAnswers::leaf7_ebx, 5, kYmm},      {kAvx512f, &CpuAnswers::leaf7_ebx, 16, kZmm},
    {kAvx512cd, &CpuAnswers::leaf7_ebx, 28, kZmm}, {kAvx512bw, &CpuAnswers::leaf7_ebx, 30, kZmm},
    {kAvx512dq, &CpuAnswers::leaf7_ebx, 17, kZmm}, {kAvx512vl, &CpuAnswers::leaf7_ebx, 31, kZmm},
};

#if MTCNN_X86_64

struct Leaf {
    std::uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

// All zero where the processor has no such leaf.
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

CpuAnswers ask() {
    CpuAnswers answers{leaf(1).ecx, leaf(7).ebx, leaf(0x80000001U).ecx, 0};
    if ((answers.leaf1_ecx & kOsxsave) != 0) answers.saved = saved_registers();
#if defined(__APPLE__)
    // macOS begins to save the wide registers when a thread first uses them, and does not say so before.
    if ((answers.saved & kYmm) == kYmm) answers.saved |= kZmm;
#endif
    return answers;
}

#endif

}  // namespace

std::uint32_t features_of(const CpuAnswers& answers) {
    const std::uint64_t saved = (answers.leaf1_ecx & kOsxsave) != 0 ? answers.saved : 0;
    std::uint32_t features = 0;
    for (const Row& row : kRows) {
        if ((answers.*row.reg >> row.bit & 1U) != 0 && (saved & row.saved) == row.saved) features |= row.feature;
    }
    return features;
}

bool cpu_has(std::uint32_t features) {
#if MTCNN_X86_64
    return (features_of(ask()) & features) == features;
#else
    return features == 0;
#endif
}

}  // namespace mtcnn
