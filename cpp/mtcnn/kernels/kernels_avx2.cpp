#include "cpu.h"

#if MTCNN_X86_64
#include "vector_avx2.h"

#include "table-inl.h"

const mtcnn::Kernels mtcnn::kernels_avx2 = MTCNN_KERNELS("avx2", "x86-64 with AVX2 and FMA", 1 << 26);
#endif
