// The floating-point mode of a thread: where results are rounded to, and whether subnormal numbers count as zero.
// Other libraries change it (fesetround, -ffast-math); the detector's bits must not depend on that.
#pragma once

#include <cfenv>
#include <cstdint>

namespace mtcnn {

#if defined(__x86_64__) || defined(_M_X64)
using FloatMode = std::uint32_t;  // MXCSR
#elif defined(__aarch64__) && !defined(_MSC_VER)
struct FloatMode {
    std::uint64_t control, status;  // FPCR, FPSR
};
#else
using FloatMode = std::fenv_t;
#endif

// While it lives, this thread rounds to nearest, keeps subnormal numbers and has no traps. Then the mode that was there
// before holds again, exception flags included.
// Compilers may move arithmetic past the beginning and the end of a guard in the same function. So what is to be
// computed under it stands in a function of another file.
class DefaultFloatMode {
public:
    DefaultFloatMode() noexcept;
    ~DefaultFloatMode();
    DefaultFloatMode(const DefaultFloatMode&) = delete;
    DefaultFloatMode& operator=(const DefaultFloatMode&) = delete;

private:
    friend class CallersFloatMode;
    FloatMode before_;
};

// While it lives, the mode from before a guard holds: around a call of the caller's own functions. If they change it,
// the change outlives the guard.
class CallersFloatMode {
public:
    explicit CallersFloatMode(DefaultFloatMode& guard) noexcept;
    ~CallersFloatMode();
    CallersFloatMode(const CallersFloatMode&) = delete;
    CallersFloatMode& operator=(const CallersFloatMode&) = delete;

private:
    DefaultFloatMode& guard_;
};

// Rounded in the mode at the time of the call.
float to_float(double value);

}  // namespace mtcnn
