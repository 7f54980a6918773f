#include "cpu.h"

#if MTCNN_X86_64
#include "vector_avx512.h"

#include "table-inl.h"

const mtcnn::Kernels mtcnn::kernels_avx512 = MTCNN_KERNELS("avx512", "x86-64 with AVX-512F", 1 << 26);
#endif
