// What PNet's heat maps propose.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "boxes.h"
#include "stop.h"

namespace mtcnn {

// A value of a heat map that reaches the threshold.
struct Candidate {
    std::int32_t x = 0, y = 0;  // in the heat map
    float score = 0;
    Offsets offsets;
};

// Candidates in the order in which they were found. They lie in blocks, so that adding one never moves them all.
class Candidates {
public:
    void add(const Candidate& candidate);
    bool empty() const { return blocks_.empty(); }
    std::vector<std::vector<Candidate>>& blocks() { return blocks_; }

private:
    std::vector<std::vector<Candidate>> blocks_;
};

// Bytes that one candidate needs on its way through a detection, at the most: itself, its place among the proposals,
// and what suppression notes of it.
inline constexpr double kBytesPerCandidate = 128;

// Boxes that a network proposed.
struct Proposals {
    std::vector<Box> boxes;
    std::vector<float> scores;
    std::vector<Offsets> offsets;
};

// Boxes are numbered in 32 bits: throws std::invalid_argument where there are more.
void check_count(std::size_t count);

template <class T>
std::vector<T> picked(const std::vector<T>& from, const std::vector<std::int32_t>& indices, Checkpoint& checkpoint) {
    std::vector<T> result;
    result.reserve(indices.size());
    for (const std::int32_t i : indices) {
        result.push_back(from[static_cast<std::size_t>(i)]);
        checkpoint.pass(4);
    }
    return result;
}

inline Proposals picked(const Proposals& from, const std::vector<std::int32_t>& indices, Checkpoint& checkpoint) {
    return {picked(from.boxes, indices, checkpoint), picked(from.scores, indices, checkpoint),
            picked(from.offsets, indices, checkpoint)};
}

// The largest difference of logits (not-face minus face) whose probability reaches the threshold: the probability never
// rises where the difference does. It may be minus infinity; NaN where no difference reaches the threshold.
float logit_limit(float threshold);

// The candidates of one level, column by column, with their boxes in the image. They come in bands of the heat map,
// which is `width` wide: bands from top to bottom, and each row by row. The candidates are given up on the way.
Proposals to_proposals(std::span<Candidates> bands, int width, double level_scale, Checkpoint& checkpoint);

}  // namespace mtcnn
