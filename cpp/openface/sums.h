// Whether the sums of matrix products are those that this was built for.
#pragma once

namespace openface {

// In a build with ordered sums: throws ImportError if OpenCV's products of large matrices are not summed in order,
// which means that another library's cblas_sgemm is called. In other builds: nothing.
void check_sums();

}  // namespace openface
