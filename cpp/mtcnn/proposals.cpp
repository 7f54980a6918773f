#include "proposals.h"

#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>

#include "bit_cast.h"
#include "exp.h"
#include "tensor.h"

namespace mtcnn {
namespace {

constexpr int kCell = 12;                             // receptive field of PNet, in pixels of the level
constexpr int kStride = 2;                            // pixels between two values of PNet's heat map
constexpr std::size_t kBlock = std::size_t{1} << 16;  // candidates in one block
constexpr std::size_t kBlockAtFirst = 32;

// The memory of a detection with very many proposals is freed at its end.
template <class T>
void clear_to_little(std::vector<T>& values) noexcept {
    constexpr std::size_t kKept = 256;
    values.clear();
    if (values.capacity() > kKept) std::vector<T>().swap(values);
}

Box box_at(const Candidate& c, float scale) {
    const auto corner = [scale](int at, int add) { return std::trunc(static_cast<float>(kStride * at + add) / scale); };
    const float x = corner(c.x, 1);
    const float y = corner(c.y, 1);
    return {x, y, corner(c.x, kCell) - x, corner(c.y, kCell) - y};
}

}  // namespace

float logit_limit(float threshold) {
    // Maps integers to floats in the same order.
    const auto value_at = [](std::int64_t i) {
        return i >= 0 ? bit_cast<float>(static_cast<std::int32_t>(i)) : -bit_cast<float>(static_cast<std::int32_t>(-i));
    };
    const auto reaches = [&](std::int64_t i) { return map_probability(value_at(i), 0.0F) >= threshold; };
    std::int64_t low = -std::int64_t{bit_cast<std::int32_t>(std::numeric_limits<float>::infinity())};
    std::int64_t high = -low;
    if (reaches(high)) return value_at(high);
    if (!reaches(low)) return std::numeric_limits<float>::quiet_NaN();
    while (high - low > 1) {
        const std::int64_t middle = low + (high - low) / 2;
        (reaches(middle) ? low : high) = middle;
    }
    // `low` reaches the threshold and low + 1 does not. Larger values that reach it violate the order with low + 1.
    return value_at(low + kLogitBand);
}

void check_count(std::size_t count) {
    if (count <= std::numeric_limits<std::int32_t>::max()) return;
    throw std::invalid_argument("these options give more than " +
                                std::to_string(std::numeric_limits<std::int32_t>::max()) +
                                " boxes: choose a larger min_face or larger thresholds");
}

void Candidates::clear() noexcept {
    if (blocks_.empty()) return;
    blocks_.erase(blocks_.begin() + 1, blocks_.end());
    clear_to_little(blocks_.front());
}

void Proposals::clear() noexcept {
    clear_to_little(boxes);
    clear_to_little(scores);
    clear_to_little(offsets);
}

void Candidates::add(const Candidate& candidate) {
    if (blocks_.empty() || blocks_.back().size() == kBlock) blocks_.emplace_back().reserve(kBlockAtFirst);
    blocks_.back().push_back(candidate);
}

const Proposals& to_proposals(std::span<Candidates> bands, int width, double level_scale, ProposalScratch& scratch,
                              CancellationPoint& cancellation_point) {
    const auto for_each = [&](const auto& use, bool last_use) {
        for (Candidates& band : bands) {
            for (std::vector<Candidate>& block : band.blocks()) {
                for (const Candidate& c : block) {
                    use(c);
                    cancellation_point.advance(8);
                }
                if (last_use) clear_to_little(block);
            }
            if (last_use) band.clear();
        }
    };
    // After the count of each column: the position of the first candidate of each column.
    std::vector<std::size_t>& begin = scratch.begin;
    clear_to_little(begin);
    resize_in_steps(begin, static_cast<std::size_t>(width) + 1, cancellation_point);
    for_each([&](const Candidate& c) { ++begin[static_cast<std::size_t>(c.x) + 1]; }, false);
    for (std::size_t x = 1; x < begin.size(); ++x) begin[x] += begin[x - 1];
    Proposals& proposals = scratch.raw;
    proposals.clear();
    const std::size_t count = begin.back();
    check_count(count);
    resize_in_steps(proposals.boxes, count, cancellation_point);
    resize_in_steps(proposals.scores, count, cancellation_point);
    resize_in_steps(proposals.offsets, count, cancellation_point);
    const auto place = [&](const Candidate& c) {
        const std::size_t at = begin[static_cast<std::size_t>(c.x)]++;
        proposals.boxes[at] = box_at(c, static_cast<float>(level_scale));
        proposals.scores[at] = c.score;
        proposals.offsets[at] = c.offsets;
    };
    for_each(place, true);
    return proposals;
}

}  // namespace mtcnn
