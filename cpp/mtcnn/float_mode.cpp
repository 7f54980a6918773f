#include "float_mode.h"

#if defined(__x86_64__) || defined(_M_X64)
#include <xmmintrin.h>
#endif

namespace mtcnn {
namespace {

#if defined(__x86_64__) || defined(_M_X64)

// All exceptions masked, rounding to nearest, no flush-to-zero, no denormals-are-zero: the mode of a new process.
constexpr FloatMode kDefault = 0x1F80;

FloatMode current() { return _mm_getcsr(); }
void set(const FloatMode& mode) { _mm_setcsr(mode); }
void set_default() { _mm_setcsr(kDefault); }

#elif defined(__aarch64__) && !defined(_MSC_VER)

FloatMode current() {
    FloatMode mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode.control));
    __asm__ volatile("mrs %0, fpsr" : "=r"(mode.status));
    return mode;
}
void set(const FloatMode& mode) {
    __asm__ volatile("msr fpcr, %0" : : "r"(mode.control));
    __asm__ volatile("msr fpsr, %0" : : "r"(mode.status));
}
void set_default() { set({0, 0}); }

#else

FloatMode current() {
    FloatMode mode;
    std::fegetenv(&mode);
    return mode;
}
void set(const FloatMode& mode) { std::fesetenv(&mode); }
void set_default() { std::fesetenv(FE_DFL_ENV); }

#endif

}  // namespace

DefaultFloatMode::DefaultFloatMode() noexcept : before_(current()) { set_default(); }
DefaultFloatMode::~DefaultFloatMode() { set(before_); }

CallersFloatMode::CallersFloatMode(DefaultFloatMode& guard) noexcept : guard_(guard) { set(guard.before_); }
CallersFloatMode::~CallersFloatMode() {
    guard_.before_ = current();
    set_default();
}

float to_float(double value) { return static_cast<float>(value); }

}  // namespace mtcnn
