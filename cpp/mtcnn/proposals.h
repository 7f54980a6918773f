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
    bool empty() const { return blocks_.empty() || blocks_.front().empty(); }
    std::vector<std::vector<Candidate>>& blocks() { return blocks_; }
    void clear() noexcept;  // keeps a little memory for the next ones

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

    void clear() noexcept;  // keeps a little memory for the next ones
};

// Memory of one thread that is used again for the next level, and in the next detection.
struct ProposalScratch {
    std::vector<std::size_t> begin;  // of each column of a heat map
    Proposals raw;                   // of one level
    std::vector<std::int32_t> keep;
    // Of the calling thread alone:
    std::vector<Candidates> found;     // in each band
    std::vector<Proposals> survivors;  // of each level
    Proposals all;                     // of all levels
};

// Boxes are numbered in 32 bits: throws std::invalid_argument where there are more.
void check_count(std::size_t count);

// Appends those of `from` to `to`.
template <class T>
void pick(const std::vector<T>& from, const std::vector<std::int32_t>& indices, std::vector<T>& to,
          Checkpoint& checkpoint) {
    to.reserve(to.size() + indices.size());
    for (const std::int32_t i : indices) {
        to.push_back(from[static_cast<std::size_t>(i)]);
        checkpoint.pass(4);
    }
}

template <class T>
std::vector<T> picked(const std::vector<T>& from, const std::vector<std::int32_t>& indices, Checkpoint& checkpoint) {
    std::vector<T> result;
    pick(from, indices, result, checkpoint);
    return result;
}

// A difference of logits (not-face minus face) that no difference exceeds whose probability reaches the threshold, and
// at most kLogitBand floats above the largest of these; NaN if no difference reaches the threshold. A difference that
// does not exceed it is still to be decided by its probability, which is not monotone.
float logit_limit(float threshold);

// map_probability should fall as the difference rises. Of all floats, it is greater at 59 than at one before it, which
// is at most 41 floats before (cpp/tests/exp_of_all_floats.cpp counts them).
inline constexpr int kLogitBand = 64;

// The candidates of one level, column by column, with their boxes in the image. They come in bands of the heat map,
// which is `width` wide: bands from top to bottom, and each row by row. The candidates are given up on the way. The
// result lies in the scratch memory.
const Proposals& to_proposals(std::span<Candidates> bands, int width, double level_scale, ProposalScratch& scratch,
                              Checkpoint& checkpoint);

}  // namespace mtcnn
