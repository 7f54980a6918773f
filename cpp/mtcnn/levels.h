// PNet on every level of the pyramid.
#pragma once

#include <vector>

#include "proposals.h"
#include "run.h"

namespace mtcnn {

// Returns PNet's proposals on all levels, in the order of the levels, after suppression within each level. The result
// lies in the workspace of the calling thread.
const Proposals& propose_on_levels(Run& run, const std::vector<Level>& levels);

}  // namespace mtcnn
