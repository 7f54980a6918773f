// The kernels that round every sum to odd: right for all floats on any x86-64 processor, and slower than `generic`,
// which falls back on their convolutions. No variant that can be asked for.
#pragma once

#include "kernels.h"

#if MTCNN_X86_64
namespace mtcnn {

extern const Kernels kernels_to_odd;

}  // namespace mtcnn
#endif
