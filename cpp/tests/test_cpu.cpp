// What a processor says of itself, and that every variant asks for all that its file's options allow.
#include "check.h"
#include "mtcnn/kernels/cpu.h"
#include "mtcnn/kernels/kernels.h"

namespace {

using namespace mtcnn;

constexpr std::uint32_t kOsxsave = 1U << 27;
constexpr std::uint32_t kAll = (1U << 18) - 1;
constexpr std::uint32_t kNeedYmm = kF16c | kFma | kAvx | kAvx2;
constexpr std::uint32_t kNeedZmm = kAvx512f | kAvx512cd | kAvx512bw | kAvx512dq | kAvx512vl;

void answers() {
    const std::uint32_t ones = ~0U;
    CHECK(features_of({0, 0, 0, ~0ULL}) == 0);
    CHECK(features_of({ones, ones, ones, ~0ULL}) == kAll);
    CHECK(features_of({ones, ones, ones, 0xE7}) == kAll, "as Linux has it");
    CHECK(features_of({ones, ones, ones, 0x07}) == (kAll & ~kNeedZmm), "wide registers are not saved");
    CHECK(features_of({ones, ones, ones, 0x67}) == (kAll & ~kNeedZmm), "only some of them are");
    CHECK(features_of({ones, ones, ones, 0x03}) == (kAll & ~kNeedZmm & ~kNeedYmm));
    // Without OSXSAVE the third answer was never asked for.
    CHECK(features_of({ones & ~kOsxsave, ones, ones, 0xE7}) == (kAll & ~kNeedZmm & ~kNeedYmm));
    // One bit, one feature, and no two share a bit.
    std::uint32_t seen = 0;
    for (int bit = 0; bit < 32; ++bit) {
        const std::uint32_t one = 1U << bit;
        for (const CpuAnswers& a : {CpuAnswers{one | kOsxsave, 0, 0, 0xE7}, CpuAnswers{kOsxsave, one, 0, 0xE7},
                                    CpuAnswers{kOsxsave, 0, one, 0xE7}}) {
            const std::uint32_t found = features_of(a);
            CHECK((found & (found - 1)) == 0, found);
            CHECK((found & seen) == 0, found);
            seen |= found;
        }
    }
    CHECK(seen == kAll, seen);
}

#if MTCNN_X86_64
void variants_ask() {
    CHECK(kernels_generic.features == 0 || cpu_has(kernels_generic.features));
    const std::uint32_t avx2 = kAvx | kAvx2 | kFma;
    CHECK((kernels_avx2.features & avx2) == avx2);
    CHECK((kernels_avx2.features & kNeedZmm) == 0);
    CHECK((kernels_avx512.features & (avx2 | kAvx512f)) == (avx2 | kAvx512f));
}

#if defined(__GNUC__) && !defined(_WIN32)
// The compiler's own library asks the processor too.
void compilers_word() {
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
    test::run("answers", answers);
#if MTCNN_X86_64
    test::run("variants ask for what their files may use", variants_ask);
#if defined(__GNUC__) && !defined(_WIN32)
    test::run("as the compiler's library says", compilers_word);
#endif
#endif
}
