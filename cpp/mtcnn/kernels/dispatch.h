// Chooses a table of kernels at run time.
#pragma once

#include <string_view>
#include <vector>

#include "kernels.h"

namespace mtcnn {

// All that were compiled in, slowest first.
const std::vector<const Kernels*>& kernel_variants();

// The one named; with an empty name the one in MTCNN_CPP_ISA; without that, the fastest this processor can run.
// Throws std::invalid_argument for a name that is unknown or not supported here.
const Kernels& select_kernels(std::string_view name = {});

}  // namespace mtcnn
