#include "proposals.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "exp.h"

namespace mtcnn {
namespace {

constexpr int kCell = 12;   // PNet's field of view, in pixels of the level
constexpr int kStride = 2;  // from one value of its heat map to the next

Box box_at(const Candidate& c, float scale) {
    const auto corner = [scale](int at, int add) { return std::trunc(static_cast<float>(kStride * at + add) / scale); };
    const float x = corner(c.x, 1);
    const float y = corner(c.y, 1);
    return {x, y, corner(c.x, kCell) - x, corner(c.y, kCell) - y};
}

}  // namespace

float logit_limit(float threshold) {
    // Floats in order of value, as integers in order of value.
    const auto value_at = [](std::int64_t i) {
        return i >= 0 ? std::bit_cast<float>(static_cast<std::int32_t>(i))
                      : -std::bit_cast<float>(static_cast<std::int32_t>(-i));
    };
    const auto reaches = [&](std::int64_t i) { return probability(value_at(i), 0.0F) >= threshold; };
    std::int64_t low = -std::int64_t{std::bit_cast<std::int32_t>(std::numeric_limits<float>::infinity())};
    std::int64_t high = -low;
    if (reaches(high)) return value_at(high);
    if (!reaches(low)) return std::numeric_limits<float>::quiet_NaN();
    while (high - low > 1) {
        const std::int64_t middle = low + (high - low) / 2;
        (reaches(middle) ? low : high) = middle;
    }
    return value_at(low);
}

Proposals to_proposals(std::vector<Candidate> candidates, double level_scale) {
    std::sort(candidates.begin(), candidates.end(),
              [](const Candidate& a, const Candidate& b) { return a.x < b.x || (a.x == b.x && a.y < b.y); });
    Proposals proposals;
    for (const Candidate& c : candidates) {
        proposals.boxes.push_back(box_at(c, static_cast<float>(level_scale)));
        proposals.scores.push_back(c.score);
        proposals.offsets.push_back(c.offsets);
    }
    return proposals;
}

}  // namespace mtcnn
