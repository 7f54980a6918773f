#include "cpu.h"

#if MTCNN_X86_64
#include "vector_sse2.h"
#else
#include "vector_generic.h"
#endif

#include "table-inl.h"

#if MTCNN_X86_64
#include "round_to_odd.h"

namespace {

constexpr unsigned kUnderflow = 1U << 4;  // MXCSR: a result was subnormal and inexact

// Runs the loop, and repeats it with rounding to odd if that may change bits. The volatile pointer prevents inlining: a
// compiler that ignores the flags would move the arithmetic past the check.
template <class Arguments>
void checked(void (*fast)(const Arguments&), void (*exact)(const Arguments&), const Arguments& arguments) {
    void (*volatile loop)(const Arguments&) = fast;
    const unsigned before = _mm_getcsr();
    _mm_setcsr(before & ~kUnderflow);
    loop(arguments);
    const bool again = (_mm_getcsr() & kUnderflow) != 0;
    _mm_setcsr(before);
    if (again) exact(arguments);
}

void convolve_planar_checked(const PlanarConvolution& a) {
    checked(convolve_planar, mtcnn::kernels_round_to_odd.convolve_planar, a);
}
void convolve_channels_checked(const ChannelConvolution& a) {
    checked(convolve_channels, mtcnn::kernels_round_to_odd.convolve_channels, a);
}

}  // namespace

#define convolve_planar convolve_planar_checked
#define convolve_channels convolve_channels_checked
#endif

const mtcnn::Kernels mtcnn::kernels_generic =
    MTCNN_KERNELS("generic", "runs everywhere", MTCNN_X86_64 ? 1 << 24 : 1 << 22);
