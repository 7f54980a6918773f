// Proposals from PNet's heat maps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "boxes.h"
#include "cancellation.h"

namespace mtcnn {

// A value of a heat map that reaches the threshold.
struct Candidate {
    std::int32_t x = 0, y = 0;  // position in the heat map
    float score = 0;
    Offsets offsets;
};

// Candidates in the order of their detection, stored in blocks: an addition never moves the others.
class Candidates {
public:
    void add(const Candidate& candidate);
    bool empty() const { return blocks_.empty() || blocks_.front().empty(); }
    std::vector<std::vector<Candidate>>& blocks() { return blocks_; }
    void clear() noexcept;  // keeps a limited amount of memory

private:
    std::vector<std::vector<Candidate>> blocks_;
};

// Maximum bytes that one candidate needs during a detection: the candidate, its proposal, and the data for suppression.
inline constexpr double kBytesPerCandidate = 128;

// Boxes proposed by a network.
struct Proposals {
    std::vector<Box> boxes;
    std::vector<float> scores;
    std::vector<Offsets> offsets;

    void clear() noexcept;  // keeps a limited amount of memory
};

// Memory of one thread, reused for the next level and the next detection.
struct ProposalScratch {
    std::vector<std::size_t> begin;  // first candidate of each column of a heat map
    Proposals raw;                   // of one level
    std::vector<std::int32_t> keep;
    // Of the calling thread only:
    std::vector<Candidates> found;     // in each band
    std::vector<Proposals> survivors;  // of each level
    Proposals all;                     // of all levels
};

// Box indices have 32 bits: throws std::invalid_argument if there are more boxes.
void check_count(std::size_t count);

// Appends the elements of `from` with these indices to `to`.
template <class T>
void select(const std::vector<T>& from, const std::vector<std::int32_t>& indices, std::vector<T>& to,
            CancellationPoint& cancellation_point) {
    to.reserve(to.size() + indices.size());
    for (const std::int32_t i : indices) {
        to.push_back(from[static_cast<std::size_t>(i)]);
        cancellation_point.advance(4);
    }
}

template <class T>
std::vector<T> selected(const std::vector<T>& from, const std::vector<std::int32_t>& indices,
                        CancellationPoint& cancellation_point) {
    std::vector<T> result;
    select(from, indices, result, cancellation_point);
    return result;
}

// Upper limit of the difference of logits (not-face minus face): the largest difference whose probability reaches the
// threshold, plus at most kLogitBand floats; NaN if none reaches it. For a difference below the limit the probability
// itself decides, because it is not monotone.
float logit_limit(float threshold);

// map_probability should decrease as the difference increases. Among all floats there are 59 at which it exceeds the
// value at a smaller difference, at most 41 floats away (counted by cpp/tests/exp_of_all_floats.cpp).
inline constexpr int kLogitBand = 64;

// Converts the candidates of one level to proposals with boxes in the image, column by column. The candidates are given
// in bands of the heat map, which has `width` columns: bands from top to bottom, each row by row. The function frees
// the candidates. The result lies in the scratch memory.
const Proposals& to_proposals(std::span<Candidates> bands, int width, double level_scale, ProposalScratch& scratch,
                              CancellationPoint& cancellation_point);

}  // namespace mtcnn
