#include "boxes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>

#include "tensor.h"

namespace mtcnn {
namespace {

struct IntegerBox {
    std::int64_t x, y, width, height;
    std::int64_t area() const { return width * height; }
};

std::int64_t round_half_even(float v) { return static_cast<std::int64_t>(std::nearbyint(v)); }

IntegerBox rounded(const Box& b) {
    return {round_half_even(b.x), round_half_even(b.y), round_half_even(b.width), round_half_even(b.height)};
}

std::int64_t intersection(const IntegerBox& a, const IntegerBox& b) {
    const std::int64_t width = std::min(a.x + a.width, b.x + b.width) - std::max(a.x, b.x);
    const std::int64_t height = std::min(a.y + a.height, b.y + b.height) - std::max(a.y, b.y);
    return width <= 0 || height <= 0 ? 0 : width * height;
}

float overlap_of(const IntegerBox& a, const IntegerBox& b, Overlap overlap) {
    const auto common = static_cast<float>(intersection(a, b));
    const float whole = overlap == Overlap::kUnion ? static_cast<float>(a.area() + b.area()) - common
                                                   : static_cast<float>(std::min(a.area(), b.area()));
    return common / whole;
}

// Index of the picked boxes by position and size: a candidate is compared only with the boxes that can reach the
// threshold. There is one grid for each power of two of the box size. A box belongs to the cell of its upper left
// corner. A cell is a linked list of indices.
class PickedBoxes {
public:
    PickedBoxes(const std::vector<IntegerBox>& boxes, float threshold, Overlap overlap,
                CancellationPoint& cancellation_point)
        : boxes_(boxes), threshold_(threshold), overlap_(overlap), cancellation_point_(cancellation_point) {
        resize_in_steps(next_, boxes.size(), cancellation_point);
        bounded_ = threshold >= 0;
        for (const IntegerBox& b : boxes) {
            cancellation_point.advance(4);
            bounded_ = bounded_ && b.width > 0 && b.height > 0;
            left_ = std::min(left_, b.x);
            top_ = std::min(top_, b.y);
            right_ = std::max(right_, b.x);
            bottom_ = std::max(bottom_, b.y);
        }
    }

    bool covers(const IntegerBox& candidate) const {
        cancellation_point_.advance(8);
        if (!bounded_) {
            return std::any_of(all_.begin(), all_.end(), [&](int i) {
                cancellation_point_.advance(4);
                return drops(i, candidate);
            });
        }
        return std::any_of(grids_.begin(), grids_.end(), [&](const Grid& g) { return covers(g, candidate); });
    }

    void add(int index) {
        if (!bounded_) {
            all_.push_back(index);
            return;
        }
        const IntegerBox& b = boxes_[static_cast<std::size_t>(index)];
        const std::int64_t side = std::max(b.width, b.height);
        auto grid = std::find_if(grids_.begin(), grids_.end(),
                                 [&](const Grid& g) { return side <= g.side && 2 * side > g.side; });
        if (grid == grids_.end()) grid = grids_.insert(grid, make_grid(side));
        std::int32_t& head = grid->heads[grid->cell(grid->column(b.x - left_), grid->row(b.y - top_))];
        next_[static_cast<std::size_t>(index)] = head;
        head = index;
    }

private:
    static constexpr std::int64_t kMaxCells = 512;

    struct Grid {
        std::int64_t side;  // for boxes whose longer side is in (side / 2, side]
        std::int64_t cell_side, columns, rows;
        std::vector<std::int32_t> heads;
        std::int64_t column(std::int64_t x) const { return std::clamp<std::int64_t>(x / cell_side, 0, columns - 1); }
        std::int64_t row(std::int64_t y) const { return std::clamp<std::int64_t>(y / cell_side, 0, rows - 1); }
        std::size_t cell(std::int64_t column, std::int64_t row) const {
            return static_cast<std::size_t>(row * columns + column);
        }
    };

    Grid make_grid(std::int64_t longest) const {
        std::int64_t side = 1;
        while (side < longest) side *= 2;
        const std::int64_t extent = std::max(right_ - left_, bottom_ - top_) + 1;
        const std::int64_t cell_side = std::max(side, (extent + kMaxCells - 1) / kMaxCells);
        Grid g{side, cell_side, (right_ - left_) / cell_side + 1, (bottom_ - top_) / cell_side + 1, {}};
        g.heads.assign(static_cast<std::size_t>(g.columns * g.rows), -1);
        return g;
    }

    bool drops(int index, const IntegerBox& candidate) const {
        return overlap_of(boxes_[static_cast<std::size_t>(index)], candidate, overlap_) > threshold_;
    }

    bool covers(const Grid& g, const IntegerBox& candidate) const {
        // The intersection is at most the smaller area and the union at least the larger one. So a grid is skipped if
        // its largest box is too small for the candidate. The margin covers the rounding of the division.
        if (overlap_ == Overlap::kUnion) {
            const double largest = static_cast<double>(g.side) * static_cast<double>(g.side);
            if (largest < 0.999 * static_cast<double>(threshold_) * static_cast<double>(candidate.area())) return false;
        }
        const std::int64_t x0 = g.column(candidate.x - left_ - g.side);
        const std::int64_t x1 = g.column(candidate.x - left_ + candidate.width);
        const std::int64_t y0 = g.row(candidate.y - top_ - g.side);
        const std::int64_t y1 = g.row(candidate.y - top_ + candidate.height);
        for (std::int64_t y = y0; y <= y1; ++y) {
            for (std::int64_t x = x0; x <= x1; ++x) {
                std::int64_t compared = 1;
                for (std::int32_t i = g.heads[g.cell(x, y)]; i >= 0; i = next_[static_cast<std::size_t>(i)]) {
                    if (drops(i, candidate)) return true;
                    ++compared;
                }
                cancellation_point_.advance(4 * compared);
            }
        }
        return false;
    }

    const std::vector<IntegerBox>& boxes_;
    float threshold_;
    Overlap overlap_;
    CancellationPoint& cancellation_point_;
    bool bounded_;                    // only boxes that intersect can suppress each other; otherwise no grid helps
    std::vector<std::int32_t> next_;  // for each box, the next one in its cell; -1: none
    std::vector<std::int32_t> all_;
    std::vector<Grid> grids_;
    std::int64_t left_ = INT64_MAX, top_ = INT64_MAX, right_ = INT64_MIN, bottom_ = INT64_MIN;
};

// For few boxes, each is compared with all picked ones: grids would cost memory and time. suppress_few() and
// suppress_many() move the kept indices to the front of `order` and return their number.
constexpr std::size_t kFew = 32;

std::size_t suppress_few(std::span<const Box> boxes, float threshold, Overlap overlap, std::span<std::int32_t> order) {
    std::array<IntegerBox, kFew> picked{};
    std::size_t kept = 0;
    for (const std::int32_t i : order) {
        const IntegerBox candidate = rounded(boxes[static_cast<std::size_t>(i)]);
        const auto drops = [&](const IntegerBox& p) { return overlap_of(p, candidate, overlap) > threshold; };
        if (std::any_of(picked.data(), picked.data() + kept, drops)) continue;
        picked[kept] = candidate;
        order[kept++] = i;
    }
    return kept;
}

std::size_t suppress_many(std::span<const Box> boxes, float threshold, Overlap overlap, std::span<std::int32_t> order,
                          CancellationPoint& cancellation_point) {
    std::vector<IntegerBox> integer_boxes;
    integer_boxes.reserve(boxes.size());
    for (const Box& box : boxes) {
        integer_boxes.push_back(rounded(box));
        cancellation_point.advance(8);
    }
    PickedBoxes picked(integer_boxes, threshold, overlap, cancellation_point);
    std::size_t kept = 0;
    for (const std::int32_t i : order) {
        if (picked.covers(integer_boxes[static_cast<std::size_t>(i)])) continue;
        picked.add(i);
        order[kept++] = i;
    }
    return kept;
}

}  // namespace

std::vector<std::int32_t> non_maximum_suppression(std::span<const Box> boxes, std::span<const float> scores,
                                                  float threshold, Overlap overlap,
                                                  CancellationPoint& cancellation_point) {
    std::vector<std::int32_t> keep;
    non_maximum_suppression(boxes, scores, threshold, overlap, cancellation_point, keep);
    return keep;
}

void non_maximum_suppression(std::span<const Box> boxes, std::span<const float> scores, float threshold,
                             Overlap overlap, CancellationPoint& cancellation_point, std::vector<std::int32_t>& keep) {
    // Sort by descending score, then overwrite the processed indices by the kept ones.
    std::vector<std::int32_t>& order = keep;
    order.clear();
    order.reserve(boxes.size());
    for (std::size_t i = 0; i < boxes.size(); ++i) {
        if (std::isnan(scores[i])) throw std::invalid_argument("scores: expected numbers, found NaN");
        order.push_back(static_cast<std::int32_t>(i));
        cancellation_point.advance(8);
    }
    std::sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
        cancellation_point.advance(4);
        const float score_a = scores[static_cast<std::size_t>(a)];
        const float score_b = scores[static_cast<std::size_t>(b)];
        return score_a > score_b || (score_a == score_b && a > b);
    });
    order.resize(boxes.size() <= kFew ? suppress_few(boxes, threshold, overlap, order)
                                      : suppress_many(boxes, threshold, overlap, order, cancellation_point));
}

Box apply_offsets(const Box& box, const Offsets& offsets, bool add_one) {
    const IntegerBox integers = rounded(box);
    const int grow = add_one ? 1 : 0;
    const auto x = static_cast<float>(integers.x);
    const auto y = static_cast<float>(integers.y);
    const auto w = static_cast<float>(integers.width + grow);
    const auto h = static_cast<float>(integers.height + grow);
    const float x1 = x + offsets.dx1 * w;
    const float y1 = y + offsets.dy1 * h;
    const float x2 = (x + w) + w * offsets.dx2;
    const float y2 = (y + h) + h * offsets.dy2;
    return {x1, y1, x2 - x1, y2 - y1};
}

Box make_square(const Box& box) {
    const float side = std::max(box.width, box.height);
    const auto x = static_cast<float>(box.x + 0.5 * static_cast<double>(box.width - side));
    const auto y = static_cast<float>(box.y + 0.5 * static_cast<double>(box.height - side));
    // The conversion to integers removes negative zeros.
    const auto truncated = [](float v) { return static_cast<float>(static_cast<std::int64_t>(v)); };
    return {truncated(x), truncated(y), truncated(side), truncated(side)};
}

bool is_usable(const Box& box) {
    constexpr float kLimit = 1073741824.0F;  // 2^30
    const auto ok = [](float v) { return std::isfinite(v) && std::abs(v) < kLimit; };
    return ok(box.x) && ok(box.y) && ok(box.width) && ok(box.height);
}

Box final_box(const Box& box) {
    return {static_cast<float>(box.x + box.width * -0.0075), static_cast<float>(box.y + box.height * 0.2459),
            static_cast<float>(box.width * 1.0323), static_cast<float>(box.height * 0.7751)};
}

}  // namespace mtcnn
