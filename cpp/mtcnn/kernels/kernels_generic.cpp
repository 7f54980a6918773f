#include "vector_generic.h"

#include "table-inl.h"

namespace {
bool supported() { return true; }
}  // namespace

const mtcnn::Kernels mtcnn::kernels_generic =
    MTCNN_KERNELS("generic", "plain C++, runs everywhere", supported, 1 << 22);
