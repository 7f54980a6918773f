// Boxes: suppression, offsets, squares. Rounding as the original's, to the last bit.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "stop.h"

namespace mtcnn {

// Pixels. A box covers x … x + width.
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

// Indices of the boxes that stay, best first; of equal scores the later one comes first. A box is dropped when its
// overlap with a picked one is greater than the threshold. Boxes are rounded to integers for this.
// NaN scores throw std::invalid_argument: they have no order.
std::vector<std::int32_t> non_maximum_suppression(std::span<const Box> boxes, std::span<const float> scores,
                                                  float threshold, Overlap overlap, Checkpoint& checkpoint);

// The same, into a vector whose memory is used again.
void non_maximum_suppression(std::span<const Box> boxes, std::span<const float> scores, float threshold,
                             Overlap overlap, Checkpoint& checkpoint, std::vector<std::int32_t>& keep);

// Rounds the box to integers (ties to even; with add_one, width and height grow by one), then moves its corners.
Box apply_offsets(const Box& box, const Offsets& offsets, bool add_one);

// The square of the longer side about the same centre, truncated to integers.
Box make_square(const Box& box);

// Finite and smaller than 2^30 everywhere: what the integer arithmetic above can hold.
bool is_usable(const Box& box);

// The final correction from the detector's square to the face's box.
Box final_box(const Box& box);

}  // namespace mtcnn
