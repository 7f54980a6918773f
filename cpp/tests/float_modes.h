// Floating-point modes that a caller may have set.
#pragma once

#include <cfenv>
#include <cstdint>
#include <string>
#include <vector>

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

namespace test {

struct Mode {
    std::string name;
    int rounding;
    bool flush;  // treat subnormal numbers as zero
};

#if defined(__x86_64__) || defined(_M_X64)
inline constexpr bool kCanFlush = true;
inline void set_flush(bool on) {
    constexpr std::uint32_t kBits = 0x8040;  // flush-to-zero, denormals-are-zero
    _mm_setcsr(on ? _mm_getcsr() | kBits : _mm_getcsr() & ~kBits);
}
#elif defined(__aarch64__) && !defined(_MSC_VER)
inline constexpr bool kCanFlush = true;
inline void set_flush(bool on) {
    constexpr std::uint64_t kBit = std::uint64_t{1} << 24;
    std::uint64_t bits = 0;
    __asm__ volatile("mrs %0, fpcr" : "=r"(bits));
    bits = on ? bits | kBit : bits & ~kBit;
    __asm__ volatile("msr fpcr, %0" : : "r"(bits));
}
#else
inline constexpr bool kCanFlush = false;
inline void set_flush(bool) {}
#endif

// The mode of this thread, determined by computations: fegetround() reads another register on some CPUs.
inline int rounding() {
    const volatile float one = 1;
    const volatile float tiny = 1e-30F;
    const volatile float above = one + tiny;
    const volatile float below = one - tiny;
    const volatile float negative = -one - tiny;
    if (above > one) return FE_UPWARD;
    if (negative < -one) return FE_DOWNWARD;
    return below < one ? FE_TOWARDZERO : FE_TONEAREST;
}
inline bool flushes() {
    const volatile float subnormal = 1e-40F;
    const volatile float product = subnormal * 1.0F;
    return product == 0;
}

inline std::vector<Mode> modes() {
    std::vector<Mode> all = {{"to nearest", FE_TONEAREST, false},
                             {"upward", FE_UPWARD, false},
                             {"downward", FE_DOWNWARD, false},
                             {"toward zero", FE_TOWARDZERO, false}};
    if (kCanFlush) {
        all.push_back({"flush to zero", FE_TONEAREST, true});
        all.push_back({"upward, flush to zero", FE_UPWARD, true});
    }
    return all;
}

// Sets a mode during its lifetime.
class InMode {
public:
    explicit InMode(const Mode& mode) : mode_(mode) {
        std::fesetround(mode.rounding);
        set_flush(mode.flush);
    }
    ~InMode() {
        std::fesetround(FE_TONEAREST);
        set_flush(false);
    }
    InMode(const InMode&) = delete;
    InMode& operator=(const InMode&) = delete;

    bool holds() const { return rounding() == mode_.rounding && flushes() == mode_.flush; }

private:
    const Mode& mode_;
};

inline bool is_default() { return rounding() == FE_TONEAREST && !flushes(); }

}  // namespace test
