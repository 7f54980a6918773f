// Bound of the error of the approximate differences that the kernel `bound_differences` computes.
#pragma once

#include <optional>

#include "model.h"

namespace mtcnn {

// |exact difference - approximate difference| <= relative * norm + absolute. The norm is the Euclidean norm of the
// 6 x 4 x in_maps inputs of a pair of columns of results, as the kernel computes it.
struct ErrorBound {
    float relative = 0, absolute = 0;
};

// Returns the bound for a 3 x 3 convolution, a PReLU and a fully connected layer on maps, whose first two outputs are
// subtracted. Returns nothing if the bound is not finite, or if a sum could overflow while the norm is finite.
// docs/heat-map-filter.md has the proof.
std::optional<ErrorBound> error_bound(const Conv2d& conv, const PReLU& prelu, const FullyConnected& fc);

}  // namespace mtcnn
