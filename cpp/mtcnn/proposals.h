// What PNet's heat maps propose.
#pragma once

#include <cstdint>
#include <vector>

#include "boxes.h"

namespace mtcnn {

// A value of a heat map that reaches the threshold.
struct Candidate {
    std::int32_t x, y;  // in the heat map
    float score;
    Offsets offsets;
};

// Boxes that a network proposed.
struct Proposals {
    std::vector<Box> boxes;
    std::vector<float> scores;
    std::vector<Offsets> offsets;
};

template <class T>
std::vector<T> picked(const std::vector<T>& from, const std::vector<std::int32_t>& indices) {
    std::vector<T> result;
    result.reserve(indices.size());
    for (const std::int32_t i : indices) result.push_back(from[static_cast<std::size_t>(i)]);
    return result;
}

inline Proposals picked(const Proposals& from, const std::vector<std::int32_t>& indices) {
    return {picked(from.boxes, indices), picked(from.scores, indices), picked(from.offsets, indices)};
}

// The largest difference of logits (not-face minus face) whose probability reaches the threshold: the probability never
// rises where the difference does. It may be minus infinity; NaN where no difference reaches the threshold.
float logit_limit(float threshold);

// The candidates of one level, in the order of its heat map walked column by column, with their boxes in the image.
Proposals to_proposals(std::vector<Candidate> candidates, double level_scale);

}  // namespace mtcnn
