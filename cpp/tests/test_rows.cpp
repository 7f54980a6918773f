// Kernels that process a row: PReLU, resampling, blending, and the search for low differences.
#include <algorithm>
#include <cmath>

#include "check.h"
#include "guarded.h"
#include "numbers.h"

namespace {

using mtcnn::Kernels;
using test::Fill;
using test::same_bits;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

void check_prelu(int n, test::Random& random) {
    const Fill fill = test::kFills[random.integer(0, 2)];
    std::vector<float> in = random.numbers(fill, n);
    in[static_cast<std::size_t>(random.integer(0, n - 1))] = test::kNaN;
    in[static_cast<std::size_t>(random.integer(0, n - 1))] = -0.0F;
    const float slope = random.number(fill);
    for (const Kernels* kernels : test::variants()) {
        std::vector<float> out(in.size());
        kernels->prelu(in.data(), slope, out.data(), n);
        for (std::size_t i = 0; i < in.size(); ++i) {
            const float v = in[i];
            const float expected = v >= 0 ? v : v * slope;
            const bool equal = std::isnan(v) ? std::isnan(out[i]) : same_bits(out[i], expected);
            CHECK(equal, kernels->name, "at", i, "of", n, v, slope);
        }
    }
}

void check_blend(int n, test::Random& random) {
    const int padded = mtcnn::padded(n);
    const std::vector<float> upper = random.numbers(Fill::kWild, padded);
    const std::vector<float> lower = random.numbers(Fill::kWild, padded);
    const float w1 = random.uniform(0, 1);
    const float w0 = 1.0F - w1;
    for (const Kernels* kernels : test::variants()) {
        std::vector<float> out(upper.size());
        kernels->blend(upper.data(), lower.data(), {w0, w1, 127.5F, 0.0078125F}, out.data(), n);
        for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
            const float first = upper[i] * w0;
            const float second = lower[i] * w1;
            const float expected = ((first + second) - 127.5F) * 0.0078125F;
            CHECK(same_bits(out[i], expected), kernels->name, "at", i, "of", n);
        }
    }
}

float special(test::Random& random) {
    constexpr float kSpecials[] = {test::kNaN, kInfinity, -kInfinity, 0.0F, -0.0F, 3.4e38F, -3.4e38F};
    return random.integer(0, 2) == 0 ? kSpecials[random.integer(0, 6)] : random.number(Fill::kSmallIntegers);
}

void check_find_below(int n, test::Random& random) {
    std::vector<float> a;
    std::vector<float> b;
    for (int i = 0; i < n; ++i) {
        a.push_back(special(random));
        b.push_back(special(random));
    }
    for (const float limit : {kInfinity, -kInfinity, test::kNaN, 0.0F, -1.0F, special(random)}) {
        std::vector<std::int32_t> expected;
        for (int i = 0; i < n; ++i) {
            const auto at = static_cast<std::size_t>(i);
            if (a[at] - b[at] <= limit) expected.push_back(i);
        }
        for (const Kernels* kernels : test::variants()) {
            std::vector<std::int32_t> positions(a.size());
            const int found = kernels->find_below(a.data(), b.data(), limit, n, positions.data());
            positions.resize(static_cast<std::size_t>(found));
            CHECK(positions == expected, kernels->name, "width", n, "limit", limit);
        }
    }
}

// Pairs of pixels of a row of `width` pixels, including the last pair.
struct RandomInterpolation {
    RandomInterpolation(int width, int n, std::ptrdiff_t pixel, test::Random& random) : count(n) {
        for (int i = 0; i < mtcnn::padded(n); ++i) {
            lefts.push_back(i == 0 ? width - 2 : random.integer(0, width - 2));
            offsets.push_back(static_cast<std::int32_t>(lefts.back() * pixel));
            w1.push_back(random.uniform(0, 1));
            w0.push_back(1.0F - w1.back());
        }
    }
    mtcnn::RowInterpolation view() const { return {offsets.data(), w0.data(), w1.data(), count}; }

    int count;
    std::vector<std::int32_t> lefts, offsets;
    std::vector<float> w0, w1;
};

// Pixels of `colours` values each. The readable memory ends with the last pixel, or later by the number of bytes that a
// kernel may read past it.
template <class T>
void check_resample(int width, int count, int colours, bool is_rgb, bool may_overread, test::Random& random) {
    const auto pixel = static_cast<std::ptrdiff_t>(sizeof(T)) * colours;
    const auto size = static_cast<std::size_t>(width * pixel - (colours - 3) * std::ptrdiff_t{sizeof(T)});
    const test::Guarded memory(size + (may_overread ? 2 : 0));
    std::vector<T> row(size / sizeof(T));
    for (T& v : row) v = static_cast<T>(random.uniform(0, 255.99F));
    std::memcpy(memory.data(), row.data(), size);
    const int padded = mtcnn::padded(count);
    const RandomInterpolation interpolation(width, count, pixel, random);
    for (const Kernels* kernels : test::variants()) {
        std::vector<float> out(static_cast<std::size_t>(3 * padded));
        const auto resample = sizeof(T) == 1 ? kernels->resample_u8 : kernels->resample_f32;
        resample(memory.data(), interpolation.view(), {pixel, is_rgb, may_overread}, out.data(), padded);
        for (int c = 0; c < 3; ++c) {
            const int colour = is_rgb ? c : 2 - c;
            for (int i = 0; i < count; ++i) {
                const auto at = static_cast<std::size_t>(i);
                const auto left = static_cast<std::size_t>(interpolation.lefts[at] * colours + colour);
                const float first = static_cast<float>(row[left]) * interpolation.w0[at];
                const float second =
                    static_cast<float>(row[left + static_cast<std::size_t>(colours)]) * interpolation.w1[at];
                CHECK(same_bits(out[static_cast<std::size_t>(c * padded + i)], first + second), kernels->name, "map", c,
                      "at", i, "of", count, "bytes", sizeof(T), "colours", colours, "is RGB", is_rgb);
            }
        }
    }
}

// Resampling two rows and blending in one step must equal the separate steps.
void check_resample_blend(int width, int count, int colours, bool is_rgb, bool may_overread, test::Random& random) {
    const auto size = static_cast<std::size_t>(width * colours - (colours - 3) + (may_overread ? 2 : 0));
    const test::Guarded upper(size);
    const test::Guarded lower(size);
    for (std::size_t i = 0; i < size; ++i) {
        upper.data()[i] = static_cast<std::uint8_t>(random.integer(0, 255));
        lower.data()[i] = static_cast<std::uint8_t>(random.integer(0, 255));
    }
    const int padded = mtcnn::padded(count);
    const RandomInterpolation random_interpolation(width, count, colours, random);
    const mtcnn::RowInterpolation interpolation = random_interpolation.view();
    const mtcnn::PixelFormat format{colours, is_rgb, may_overread};
    const float below = random.uniform(0, 1);
    const mtcnn::Blend blend{1.0F - below, below, 127.5F, 0.0078125F};
    for (const Kernels* kernels : test::variants()) {
        const auto floats = static_cast<std::size_t>(3 * padded);
        std::vector<float> first(floats);
        std::vector<float> second(floats);
        std::vector<float> expected(floats);
        std::vector<float> out(floats);
        kernels->resample_u8(upper.data(), interpolation, format, first.data(), padded);
        kernels->resample_u8(lower.data(), interpolation, format, second.data(), padded);
        kernels->blend(first.data(), second.data(), blend, expected.data(), 3 * padded);
        kernels->resample_blend_u8(upper.data(), lower.data(), interpolation, format, blend, out.data(), padded);
        for (int c = 0; c < 3; ++c) {
            for (int i = 0; i < count; ++i) {
                const auto at = static_cast<std::size_t>(c * padded + i);
                CHECK(same_bits(out[at], expected[at]), kernels->name, "map", c, "at", i, "of", count, "colours",
                      colours, "is RGB", is_rgb);
            }
        }
    }
}

}  // namespace

int main() {
    test::Random random(5);
    test::run("prelu", [&] {
        for (int n = 1; n <= 100; ++n) check_prelu(n, random);
    });
    test::run("blend", [&] {
        for (int n = 1; n <= 100; ++n) check_blend(n, random);
    });
    test::run("find_below", [&] {
        for (int n = 1; n <= 200; ++n) check_find_below(n, random);
    });
    test::run("resample", [&] {
        for (int count = 1; count <= 70; ++count) {
            const int width = random.integer(2, 90);
            for (const int colours : {3, 4, 5}) {
                for (const bool is_rgb : {false, true}) {
                    for (const bool may_overread : {false, true}) {
                        check_resample<std::uint8_t>(width, count, colours, is_rgb, may_overread, random);
                        check_resample<float>(width, count, colours, is_rgb, may_overread, random);
                        check_resample_blend(width, count, colours, is_rgb, may_overread, random);
                    }
                }
            }
        }
    });
}
