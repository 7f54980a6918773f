// Compares resampled patches of images with the specification, applied to a float copy of the patch.
#include "mtcnn/resize.h"

#include <algorithm>
#include <cmath>

#include "check.h"
#include "guarded.h"
#include "numbers.h"

namespace {

using mtcnn::Image;
using mtcnn::Patch;

// An image of random pixels in guarded memory.
struct TestImage {
    TestImage(int height, int width, int colours, int row_padding, bool floats, bool is_rgb, bool at_start,
              test::Random& random)
        : memory(bytes(height, width, colours, row_padding, floats), at_start) {
        const std::ptrdiff_t size = floats ? 4 : 1;
        for (std::size_t i = 0; i < memory.size() / static_cast<std::size_t>(size); ++i) {
            if (floats) {
                const float v = random.uniform(0, 255);
                std::memcpy(memory.data() + 4 * i, &v, sizeof v);
            } else {
                memory.data()[i] = static_cast<std::uint8_t>(random.integer(0, 255));
            }
        }
        image = {memory.data(),  height, width, (std::ptrdiff_t{width} * colours + row_padding) * size,
                 colours * size, floats, is_rgb};
    }
    // The memory ends after the third channel of the last pixel.
    static std::size_t bytes(int height, int width, int colours, int row_padding, bool floats) {
        const int values = (height - 1) * (width * colours + row_padding) + (width - 1) * colours + 3;
        return static_cast<std::size_t>(values) * (floats ? 4 : 1);
    }
    test::Guarded memory;
    Image image;
};

// Value of the patch, zero outside the image. Channel order R, G, B.
float value(const Image& image, const Patch& patch, std::int64_t y, std::int64_t x, int colour) {
    y += patch.y;
    x += patch.x;
    if (y < 0 || x < 0 || y >= image.height || x >= image.width) return 0;
    const std::uint8_t* pixel = image.data + y * image.row_stride + x * image.pixel_stride;
    const int place = image.is_rgb ? colour : 2 - colour;
    if (!image.floats) return pixel[place];
    float v = 0;
    std::memcpy(&v, pixel + std::ptrdiff_t{4} * place, sizeof v);
    return v;
}

struct Place {
    std::int64_t index;
    float fraction;
};

Place place(int d, std::int64_t source, int target) {
    const double scale = 1.0 / (static_cast<double>(target) / static_cast<double>(source));
    const auto f = static_cast<float>((d + 0.5) * scale - 0.5);
    const auto s = static_cast<std::int64_t>(std::floor(f));
    return {s, f - static_cast<float>(s)};
}

float by_hand(const Image& image, const Patch& patch, int height, int width, int y, int x, int colour) {
    const auto in = [&](std::int64_t row, std::int64_t column) { return value(image, patch, row, column, colour); };
    if (patch.height == height && patch.width == width) return in(y, x);
    if (patch.height == 2 * std::int64_t{height} && patch.width == 2 * std::int64_t{width}) {
        const std::int64_t top = 2 * std::int64_t{y};
        const std::int64_t left = 2 * std::int64_t{x};
        return (((in(top, left) + in(top, left + 1)) + in(top + 1, left)) + in(top + 1, left + 1)) * 0.25F;
    }
    Place across = place(x, patch.width, width);
    if (across.index < 0) across = {0, 0};
    if (across.index >= patch.width - 1) across = {patch.width - 1, 0};
    const std::int64_t right = std::min(across.index + 1, patch.width - 1);
    const Place down = place(y, patch.height, height);
    const auto row = [&](std::int64_t r) {
        r = std::clamp<std::int64_t>(r, 0, patch.height - 1);
        const float first = in(r, across.index) * (1.0F - across.fraction);
        const float second = in(r, right) * across.fraction;
        return first + second;
    };
    const float upper = row(down.index) * (1.0F - down.fraction);
    const float lower = row(down.index + 1) * down.fraction;
    return upper + lower;
}

void check_patch(const Image& image, const Patch& patch, int height, int width) {
    for (const mtcnn::Kernels* kernels : test::variants()) {
        mtcnn::CancellationPoint cancellation_point;
        mtcnn::Resampler resampler(*kernels, cancellation_point);
        resampler.prepare(image, patch, height, width);
        const int stride = mtcnn::padded(width);
        std::vector<float> row(static_cast<std::size_t>(3 * stride));
        for (int y = 0; y < height; ++y) {
            resampler.row(y, row.data(), stride);
            for (int c = 0; c < 3; ++c) {
                for (int x = 0; x < width; ++x) {
                    const float expected = (by_hand(image, patch, height, width, y, x, c) - 127.5F) * 0.0078125F;
                    CHECK(test::same_bits(row[static_cast<std::size_t>(c * stride + x)], expected), kernels->name,
                          "patch", patch.x, patch.y, patch.width, patch.height, "of", image.width, image.height, "to",
                          width, height, "at", x, y, c, "floats", image.floats);
                }
            }
        }
    }
}

TestImage random_image(int height, int width, test::Random& random) {
    return {height,
            width,
            random.integer(3, 5),
            random.integer(0, 7),
            random.integer(0, 1) != 0,
            random.integer(0, 1) != 0,
            random.integer(0, 1) != 0,
            random};
}

}  // namespace

int main() {
    test::Random random(6);
    test::run("full images, enlarged and reduced", [&] {
        for (int i = 0; i < 150; ++i) {
            const TestImage p = random_image(random.integer(1, 40), random.integer(1, 40), random);
            check_patch(p.image, mtcnn::full_patch(p.image), random.integer(1, 50), random.integer(1, 50));
        }
    });
    test::run("the same size, half in one or both directions", [&] {
        for (int i = 0; i < 40; ++i) {
            const int height = random.integer(1, 20);
            const int width = random.integer(1, 20);
            const TestImage p = random_image(2 * height, 2 * width, random);
            check_patch(p.image, mtcnn::full_patch(p.image), 2 * height, 2 * width);
            check_patch(p.image, mtcnn::full_patch(p.image), height, width);
            check_patch(p.image, mtcnn::full_patch(p.image), height, 2 * width);
            check_patch(p.image, mtcnn::full_patch(p.image), 2 * height, width);
        }
    });
    test::run("cut from within and across the border", [&] {
        for (int i = 0; i < 200; ++i) {
            const TestImage p = random_image(random.integer(1, 40), random.integer(1, 40), random);
            const auto side = static_cast<float>(random.integer(1, 60));
            const mtcnn::Box box{static_cast<float>(random.integer(-50, 45)),
                                 static_cast<float>(random.integer(-50, 45)), side, side};
            const Patch patch = mtcnn::cut(box);
            CHECK(patch.width == static_cast<std::int64_t>(side) + 1);
            check_patch(p.image, patch, random.integer(0, 1) != 0 ? 24 : 48, 24);
        }
    });
    test::run("at most half as high, over the upper and the lower border", [&] {
        for (int i = 0; i < 300; ++i) {
            const int height = random.integer(2, 60);
            const int width = random.integer(2, 40);
            const TestImage p = random_image(height, width, random);
            const int left = random.integer(0, width - 2);
            const Patch patch{left, random.integer(-4, height - 2), random.integer(2, width - left),
                              random.integer(2, height)};
            check_patch(p.image, patch, random.integer(1, static_cast<int>(patch.height / 2)), random.integer(1, 50));
        }
    });
    test::run("a square of 2^29 pixels", [&] {
        const TestImage p = random_image(30, 30, random);
        const Patch patch = mtcnn::cut({-300000000.0F, -200000000.0F, 536870912.0F, 536870912.0F});
        CHECK(mtcnn::touches(patch, p.image));
        check_patch(p.image, patch, 24, 24);
    });
    test::run("wider than one kernel call", [&] {
        for (const bool floats : {false, true}) {
            for (const int width : {1, 2, 700}) {  // patches of one column collect their pixels
                const TestImage p(2, width, 3, 1, floats, true, false, random);
                check_patch(p.image, mtcnn::full_patch(p.image), 3, 9000);
                check_patch(p.image, {-1, -1, width + 3, 4}, 3, 8193);
            }
        }
    });
    test::run("patches that overlap the image", [&] {
        const TestImage p = random_image(10, 20, random);
        for (int x = -8; x <= 24; ++x) {
            for (int y = -8; y <= 14; ++y) {
                const Patch patch{x, y, 5, 3};
                const bool expected = x + 4 >= 0 && x <= 19 && y + 2 >= 0 && y <= 9;
                CHECK(mtcnn::touches(patch, p.image) == expected, x, y);
            }
        }
    });
}
