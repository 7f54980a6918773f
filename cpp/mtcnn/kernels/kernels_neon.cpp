#include "cpu.h"

#if MTCNN_ARM64
#include "vector_neon.h"

#include "table-inl.h"

const mtcnn::Kernels mtcnn::kernels_neon = MTCNN_KERNELS("neon", "64-bit Arm with Advanced SIMD", 1 << 24);
#endif
