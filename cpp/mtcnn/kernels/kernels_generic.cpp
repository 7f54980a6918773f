#include "cpu.h"

#if MTCNN_SSE2
#include "vector_sse2.h"

#include "double_sums.h"
#else
#include "vector_generic.h"
#endif

#include "table-inl.h"

const mtcnn::Kernels mtcnn::kernels_generic =
    MTCNN_KERNELS("generic", "runs everywhere", MTCNN_SSE2 ? 1 << 24 : 1 << 22);
