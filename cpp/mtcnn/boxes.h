// Boxes: suppression, offsets, squares. The rounding is bit-exact to the original.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cancellation.h"

namespace mtcnn {

// In pixels. A box covers x … x + width.
struct Box {
    float x = 0, y = 0, width = 0, height = 0;
};

struct Offsets {
    float dx1 = 0, dy1 = 0, dx2 = 0, dy2 = 0;
};

enum class Overlap {
    kUnion,    // intersection / union
    kMinimum,  // intersection / smaller area
};

// Returns the indices of the kept boxes, sorted by descending score; of equal scores the later index comes first. A box
// is suppressed if its overlap with a kept box exceeds the threshold. Boxes are rounded to integers first. A NaN score
// throws std::invalid_argument because it has no order.
std::vector<std::int32_t> non_maximum_suppression(std::span<const Box> boxes, std::span<const float> scores,
                                                  float threshold, Overlap overlap,
                                                  CancellationPoint& cancellation_point);

// The same, but reuses the memory of `keep`.
void non_maximum_suppression(std::span<const Box> boxes, std::span<const float> scores, float threshold,
                             Overlap overlap, CancellationPoint& cancellation_point, std::vector<std::int32_t>& keep);

// Rounds the box to integers (ties to even; with add_one, width and height grow by one), then moves its corners.
Box apply_offsets(const Box& box, const Offsets& offsets, bool add_one);

// The square with the longer side and the same centre, truncated to integers.
Box make_square(const Box& box);

// Whether all values are finite and below 2^30, as the integer arithmetic above requires.
bool is_usable(const Box& box);

// The final correction from the detector's square to the box of the face.
Box final_box(const Box& box);

}  // namespace mtcnn
