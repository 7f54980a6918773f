// Compares suppression with the definition, which considers every pair, and the moves of boxes with their formulas.
#include "mtcnn/boxes.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "check.h"
#include "numbers.h"

namespace {

using mtcnn::Box;
using mtcnn::Overlap;

struct Scored {
    std::vector<Box> boxes;
    std::vector<float> scores;
};

std::int64_t integer(float v) {
    const float floor = std::floor(v);
    const float rest = v - floor;
    const auto below = static_cast<std::int64_t>(floor);
    if (rest != 0.5F) return rest > 0.5F ? below + 1 : below;
    return below % 2 == 0 ? below : below + 1;
}

float overlap(const Box& a, const Box& b, Overlap mode) {
    const std::int64_t aw = integer(a.width);
    const std::int64_t ah = integer(a.height);
    const std::int64_t bw = integer(b.width);
    const std::int64_t bh = integer(b.height);
    const std::int64_t across = std::min(integer(a.x) + aw, integer(b.x) + bw) - std::max(integer(a.x), integer(b.x));
    const std::int64_t down = std::min(integer(a.y) + ah, integer(b.y) + bh) - std::max(integer(a.y), integer(b.y));
    const auto shared = static_cast<float>(across > 0 && down > 0 ? across * down : 0);
    if (mode == Overlap::kMinimum) return shared / static_cast<float>(std::min(aw * ah, bw * bh));
    return shared / (static_cast<float>(aw * ah + bw * bh) - shared);
}

std::vector<std::int32_t> suppress(const Scored& all, float threshold, Overlap mode) {
    mtcnn::CancellationPoint none;
    return mtcnn::non_maximum_suppression(all.boxes, all.scores, threshold, mode, none);
}

// Takes the best box (of equal scores the last), drops all boxes that overlap it too much, and repeats.
std::vector<std::int32_t> by_hand(const Scored& all, float threshold, Overlap mode) {
    std::vector<std::int32_t> left;
    for (std::size_t i = 0; i < all.boxes.size(); ++i) left.push_back(static_cast<std::int32_t>(i));
    std::vector<std::int32_t> picked;
    const auto score = [&](std::int32_t i) { return all.scores[static_cast<std::size_t>(i)]; };
    while (!left.empty()) {
        std::int32_t best = left[0];
        for (const std::int32_t i : left) best = score(i) >= score(best) ? i : best;
        picked.push_back(best);
        std::vector<std::int32_t> rest;
        for (const std::int32_t i : left) {
            const bool drop = overlap(all.boxes[static_cast<std::size_t>(best)], all.boxes[static_cast<std::size_t>(i)],
                                      mode) > threshold;
            if (i != best && !drop) rest.push_back(i);
        }
        left = std::move(rest);
    }
    return picked;
}

void check_suppression(const Scored& all, const char* what) {
    for (const float threshold : {0.0F, 0.3F, 0.5F, 0.7F, 1.0F}) {
        for (const Overlap mode : {Overlap::kUnion, Overlap::kMinimum}) {
            CHECK(suppress(all, threshold, mode) == by_hand(all, threshold, mode), what, all.boxes.size(),
                  "boxes, threshold", threshold, "minimum", mode == Overlap::kMinimum);
        }
    }
}

template <class MakeBox>
Scored scored(int count, test::Random& random, bool ties, const MakeBox& make) {
    Scored all;
    for (int i = 0; i < count; ++i) {
        all.boxes.push_back(make());
        all.scores.push_back(ties ? static_cast<float>(random.integer(5, 9)) / 10 : random.uniform(0.5F, 1));
    }
    return all;
}

bool same(const Box& a, const Box& b) {
    return test::same_bits(a.x, b.x) && test::same_bits(a.y, b.y) && test::same_bits(a.width, b.width) &&
           test::same_bits(a.height, b.height);
}

}  // namespace

int main() {
    test::Random random(7);
    const auto whole = [&](int from, int to) { return static_cast<float>(random.integer(from, to)); };
    test::run("random boxes", [&] {
        for (int i = 0; i < 60; ++i) {
            const float size = random.uniform(1, 200);
            check_suppression(scored(random.integer(0, 120), random, i % 2 == 0,
                                     [&]() -> Box {
                                         return {random.uniform(-50, 300), random.uniform(-50, 300),
                                                 random.uniform(1, size), random.uniform(1, size)};
                                     }),
                              "random");
        }
    });
    test::run("clusters of integers, as in a heat map", [&] {
        for (int i = 0; i < 60; ++i) {
            const auto side = whole(3, 40);
            check_suppression(scored(random.integer(1, 150), random, i % 3 == 0,
                                     [&]() -> Box {
                                         const float cluster = 60.0F * whole(0, 3);
                                         return {cluster + whole(0, 9), cluster + whole(0, 9), side, side};
                                     }),
                              "clustered");
        }
    });
    test::run("every size from 1 to 2^29", [&] {
        for (int i = 0; i < 12; ++i) {
            check_suppression(scored(60, random, false,
                                     [&]() -> Box {
                                         const float size = std::ldexp(random.uniform(1, 2), random.integer(0, 28));
                                         return {random.uniform(-size, size), random.uniform(-size, size), size,
                                                 size * random.uniform(0.5F, 1)};
                                     }),
                              "sizes");
        }
    });
    test::run("half way between integers", [&] {
        for (int i = 0; i < 30; ++i) {
            const auto half = [&] { return whole(-20, 20) + 0.5F; };
            check_suppression(
                scored(80, random, true, [&]() -> Box { return {half(), half(), half() + 25, half() + 25}; }),
                "halves");
        }
    });
    test::run("areas of zero or less", [&] {
        for (int i = 0; i < 60; ++i) {
            check_suppression(scored(50, random, true,
                                     [&]() -> Box { return {whole(-3, 3), whole(-3, 3), whole(-2, 4), whole(-2, 4)}; }),
                              "degenerate");
        }
    });
    test::run("scores that have no order", [&] {
        const std::vector<Box> boxes(2);
        const std::vector<float> scores = {0.5F, test::kNaN};
        CHECK(test::throws<std::invalid_argument>([&] { suppress({boxes, scores}, 0.5F, Overlap::kUnion); }));
    });
    test::run("offsets", [&] {
        for (int i = 0; i < 3000; ++i) {
            const Box box{random.uniform(-99, 99), random.uniform(-99, 99), random.uniform(-9, 99),
                          whole(-9, 99) + 0.5F};
            const mtcnn::Offsets o{random.uniform(), random.uniform(), random.uniform(), random.uniform()};
            for (const bool add_one : {false, true}) {
                const auto x = static_cast<float>(integer(box.x));
                const auto y = static_cast<float>(integer(box.y));
                const auto w = static_cast<float>(integer(box.width) + (add_one ? 1 : 0));
                const auto h = static_cast<float>(integer(box.height) + (add_one ? 1 : 0));
                const float left = x + o.dx1 * w;
                const float top = y + o.dy1 * h;
                const float right = (x + w) + w * o.dx2;
                const float bottom = (y + h) + h * o.dy2;
                CHECK(same(mtcnn::apply_offsets(box, o, add_one), {left, top, right - left, bottom - top}), i);
            }
        }
    });
    test::run("squares", [&] {
        for (int i = 0; i < 3000; ++i) {
            const Box box{random.uniform(-99, 99), random.uniform(-99, 99), random.uniform(1, 99),
                          random.uniform(1, 99)};
            const float side = std::max(box.width, box.height);
            const auto x = static_cast<float>(double{box.x} + 0.5 * double{box.width - side});
            const auto y = static_cast<float>(double{box.y} + 0.5 * double{box.height - side});
            // + 0: removes negative zeros.
            CHECK(same(mtcnn::make_square(box),
                       {std::trunc(x) + 0.0F, std::trunc(y) + 0.0F, std::trunc(side), std::trunc(side)}),
                  i);
        }
    });
    test::run("final boxes", [&] {
        for (int i = 0; i < 3000; ++i) {
            const Box b{random.uniform(-99, 99), random.uniform(-99, 99), random.uniform(1, 99), random.uniform(1, 99)};
            CHECK(same(mtcnn::final_box(b),
                       {static_cast<float>(double{b.x} + double{b.width} * -0.0075),
                        static_cast<float>(double{b.y} + double{b.height} * 0.2459),
                        static_cast<float>(double{b.width} * 1.0323), static_cast<float>(double{b.height} * 0.7751)}),
                  i);
        }
    });
    test::run("usable boxes", [] {
        const float large = 1073741824.0F;
        CHECK(mtcnn::is_usable({1, 2, 3, std::nextafter(large, 0.0F)}));
        for (const float v : {large, -large, test::kNaN, std::numeric_limits<float>::infinity()}) {
            CHECK(!mtcnn::is_usable({v, 2, 3, 4}), v);
            CHECK(!mtcnn::is_usable({1, v, 3, 4}), v);
            CHECK(!mtcnn::is_usable({1, 2, v, 4}), v);
            CHECK(!mtcnn::is_usable({1, 2, 3, v}), v);
        }
    });
}
