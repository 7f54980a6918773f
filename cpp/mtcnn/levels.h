// PNet on every level of the pyramid.
#pragma once

#include <vector>

#include "proposals.h"
#include "run.h"

namespace mtcnn {

// What PNet proposes on all levels, in their order, after each level's own suppression. It lies in the calling
// thread's workspace.
const Proposals& propose_on_levels(Run& run, const std::vector<Level>& levels);

}  // namespace mtcnn
