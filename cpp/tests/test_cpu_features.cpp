// Detection of CPU features. Every variant must require all features that the options of its file enable.
#include "check.h"
#include "mtcnn/kernels/cpu.h"
#include "mtcnn/kernels/kernels.h"

namespace {

using namespace mtcnn;

constexpr std::uint32_t kOsxsave = 1U << 27;
constexpr std::uint32_t kAll = (1U << 18) - 1;
constexpr std::uint32_t kNeedYmm = kF16c | kFma | kAvx | kAvx2;
constexpr std::uint32_t kNeedZmm = kAvx512f | kAvx512cd | kAvx512bw | kAvx512dq | kAvx512vl;

void check_cpuid() {
    const std::uint32_t ones = ~0U;
    CHECK(features_of({0, 0, 0, ~0ULL}) == 0);
    CHECK(features_of({ones, ones, ones, ~0ULL}) == kAll);
    CHECK(features_of({ones, ones, ones, 0xE7}) == kAll, "as Linux has it");
    CHECK(features_of({ones, ones, ones, 0x07}) == (kAll & ~kNeedZmm), "wide registers are not saved");
    CHECK(features_of({ones, ones, ones, 0x67}) == (kAll & ~kNeedZmm), "only some of them are");
    CHECK(features_of({ones, ones, ones, 0x03}) == (kAll & ~kNeedZmm & ~kNeedYmm));
    // Without OSXSAVE, xgetbv must not be used.
    CHECK(features_of({ones & ~kOsxsave, ones, ones, 0xE7}) == (kAll & ~kNeedZmm & ~kNeedYmm));
    // One bit per feature, and no two features share a bit.
    std::uint32_t found_bits = 0;
    for (int bit = 0; bit < 32; ++bit) {
        const std::uint32_t one = 1U << bit;
        for (const CpuidResult& a : {CpuidResult{one | kOsxsave, 0, 0, 0xE7}, CpuidResult{kOsxsave, one, 0, 0xE7},
                                     CpuidResult{kOsxsave, 0, one, 0xE7}}) {
            const std::uint32_t found = features_of(a);
            CHECK((found & (found - 1)) == 0, found);
            CHECK((found & found_bits) == 0, found);
            found_bits |= found;
        }
    }
    CHECK(found_bits == kAll, found_bits);
}

#if MTCNN_X86_64
void check_variants() {
    CHECK(kernels_generic.features == 0 || cpu_has(kernels_generic.features));
    const std::uint32_t avx2 = kAvx | kAvx2 | kFma;
    CHECK((kernels_avx2.features & avx2) == avx2);
    CHECK((kernels_avx2.features & kNeedZmm) == 0);
    CHECK((kernels_avx512.features & (avx2 | kAvx512f)) == (avx2 | kAvx512f));
}

#if defined(__GNUC__) && !defined(_WIN32)
// The compiler's own library detects the same features.
void compare_with_compiler() {
    CHECK(cpu_has(kSse3) == (__builtin_cpu_supports("sse3") != 0));
    CHECK(cpu_has(kSsse3) == (__builtin_cpu_supports("ssse3") != 0));
    CHECK(cpu_has(kSse41) == (__builtin_cpu_supports("sse4.1") != 0));
    CHECK(cpu_has(kSse42) == (__builtin_cpu_supports("sse4.2") != 0));
    CHECK(cpu_has(kPopcnt) == (__builtin_cpu_supports("popcnt") != 0));
    CHECK(cpu_has(kBmi1) == (__builtin_cpu_supports("bmi") != 0));
    CHECK(cpu_has(kBmi2) == (__builtin_cpu_supports("bmi2") != 0));
    CHECK(cpu_has(kFma) == (__builtin_cpu_supports("fma") != 0));
    CHECK(cpu_has(kAvx) == (__builtin_cpu_supports("avx") != 0));
    CHECK(cpu_has(kAvx2) == (__builtin_cpu_supports("avx2") != 0));
    CHECK(cpu_has(kAvx512f) == (__builtin_cpu_supports("avx512f") != 0));
    CHECK(cpu_has(kAvx512cd) == (__builtin_cpu_supports("avx512cd") != 0));
    CHECK(cpu_has(kAvx512bw) == (__builtin_cpu_supports("avx512bw") != 0));
    CHECK(cpu_has(kAvx512dq) == (__builtin_cpu_supports("avx512dq") != 0));
    CHECK(cpu_has(kAvx512vl) == (__builtin_cpu_supports("avx512vl") != 0));
}
#endif
#endif

}  // namespace

int main() {
    test::run("results of cpuid", check_cpuid);
#if MTCNN_X86_64
    test::run("variants require the features of their files", check_variants);
#if defined(__GNUC__) && !defined(_WIN32)
    test::run("comparison with the compiler's library", compare_with_compiler);
#endif
#endif
}
