// Selects a table of kernels at run time.
#pragma once

#include <string_view>
#include <vector>

#include "kernels.h"

namespace mtcnn {

// All variants in this build, from the slowest to the fastest.
const std::vector<const Kernels*>& kernel_variants();

// Returns the variant with this name. If the name is empty: the variant in MTCNN_CPP_ISA, or else the fastest variant
// that this CPU supports. Throws std::invalid_argument if the name is unknown or the variant is not supported.
const Kernels& select_kernels(std::string_view name = {});

}  // namespace mtcnn
