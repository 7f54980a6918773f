// Tests that sums of matrix products have the order for which this module was built.
#pragma once

namespace openface {

// In a build with ordered sums: throws ImportError if OpenCV does not sum the products of large matrices in order. Then
// another library's cblas_sgemm is called. In other builds it has no effect.
void check_sums();

}  // namespace openface
