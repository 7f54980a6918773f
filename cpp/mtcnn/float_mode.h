// The floating-point mode of a thread: rounding direction and treatment of subnormal numbers. Other libraries change it
// (fesetround, -ffast-math). The bits of a detection must not depend on it.
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

// During its lifetime this thread rounds to nearest, keeps subnormal numbers and has no traps. The destructor restores
// the previous mode including the exception flags. A compiler may move arithmetic of the same function across the
// constructor or destructor. Therefore put the computation into a function of another file.
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

// During its lifetime the mode from before `guard` holds, for functions that the caller supplies. A change that they
// make to the mode persists.
class CallersFloatMode {
public:
    explicit CallersFloatMode(DefaultFloatMode& guard) noexcept;
    ~CallersFloatMode();
    CallersFloatMode(const CallersFloatMode&) = delete;
    CallersFloatMode& operator=(const CallersFloatMode&) = delete;

private:
    DefaultFloatMode& guard_;
};

// Rounds in the mode at the time of the call.
float to_float(double value);

}  // namespace mtcnn
