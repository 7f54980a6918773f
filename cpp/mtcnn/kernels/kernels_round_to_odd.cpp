#include "round_to_odd.h"

#if MTCNN_X86_64
#define MTCNN_ROUND_TO_ODD
#include "vector_sse2.h"

#include "table-inl.h"

const mtcnn::Kernels mtcnn::kernels_round_to_odd =
    MTCNN_KERNELS("to_odd", "any x86-64 processor, every sum rounded to odd", 1 << 24);
#endif
