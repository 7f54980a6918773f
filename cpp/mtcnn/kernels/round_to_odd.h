// Kernels that round every sum to odd. They are correct for all floats on every x86-64 CPU. `generic` is faster and
// uses their convolutions only if needed. They are not a selectable variant.
#pragma once

#include "kernels.h"

#if MTCNN_X86_64
namespace mtcnn {

extern const Kernels kernels_round_to_odd;

}  // namespace mtcnn
#endif
