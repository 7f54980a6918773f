// Compares both convolution kernels with the sum in the order of the specification.
#include <algorithm>
#include <cmath>

#include "check.h"
#include "mtcnn/packing.h"
#include "numbers.h"

namespace {

using mtcnn::Conv2d;
using mtcnn::Kernels;
using test::at;
using test::Fill;

// Sizes of one convolution. Height and width are those of the output.
struct Shape {
    int in_maps, out_maps, kernel_y, kernel_x, height, width, items = 1;
    int in_height() const { return height + kernel_y - 1; }
    int in_width() const { return width + kernel_x - 1; }
};

std::ostream& operator<<(std::ostream& out, const Shape& s) {
    return out << s.items << " x (" << s.in_maps << " -> " << s.out_maps << ", kernel " << s.kernel_y << "x"
               << s.kernel_x << ", out " << s.height << "x" << s.width << ")";
}

struct Problem {
    Problem(const Shape& s, Fill fill, bool with_prelu, test::Random& random) : shape(s) {
        conv.in_maps = s.in_maps;
        conv.out_maps = s.out_maps;
        conv.kernel_y = s.kernel_y;
        conv.kernel_x = s.kernel_x;
        conv.kernel = random.numbers(fill, s.out_maps * s.in_maps * s.kernel_y * s.kernel_x);
        conv.bias = random.numbers(fill, s.out_maps);
        if (with_prelu) slopes = random.numbers(fill, s.out_maps);
        for (int i = 0; i < s.items; ++i) {
            maps.push_back(random.numbers(fill, s.in_maps * s.in_height() * s.in_width()));
        }
    }
    Shape shape;
    Conv2d conv;
    std::vector<float> slopes;             // empty: no PReLU
    std::vector<std::vector<float>> maps;  // for each item, (in_maps, in_height, in_width)
};

std::vector<float> by_hand(const Problem& p, const std::vector<float>& maps) {
    const Shape& s = p.shape;
    std::vector<float> result;
    for (int o = 0; o < s.out_maps; ++o) {
        for (int y = 0; y < s.height; ++y) {
            for (int x = 0; x < s.width; ++x) {
                float sum = 0;
                for (int c = 0; c < s.in_maps; ++c) {
                    for (int kx = 0; kx < s.kernel_x; ++kx) {
                        for (int ky = 0; ky < s.kernel_y; ++ky) {
                            sum = std::fma(maps[at(c, y + ky, x + kx, s.in_height(), s.in_width())],
                                           p.conv.kernel[at(o * s.in_maps + c, ky, kx, s.kernel_y, s.kernel_x)], sum);
                        }
                    }
                }
                const auto map = static_cast<std::size_t>(o);
                const float v = sum + p.conv.bias[map];
                result.push_back(p.slopes.empty() || v >= 0 ? v : v * p.slopes[map]);
            }
        }
    }
    return result;
}

// Uses the row layout of PlanarNetwork. The padding is NaN, so that its use would be visible.
std::vector<float> over_pixels(const Kernels& kernels, const Problem& p, const std::vector<float>& maps) {
    const Shape& s = p.shape;
    const int stride = mtcnn::padded(s.in_width() + mtcnn::kPad - 1);
    std::vector<std::vector<float>> rows;
    for (int y = 0; y < s.in_height(); ++y) {
        rows.emplace_back(static_cast<std::size_t>(s.in_maps * stride), test::kNaN);
        for (int c = 0; c < s.in_maps; ++c) {
            const float* from = maps.data() + at(c, y, 0, s.in_height(), s.in_width());
            std::copy_n(from, s.in_width(), rows.back().data() + c * stride);
        }
    }
    const auto weights = mtcnn::pack_convolution(p.conv, kernels.planar_group(s.out_maps));
    const auto bias = mtcnn::padded_copy(p.conv.bias);
    const auto slopes = mtcnn::padded_copy(p.slopes);
    const int out_stride = mtcnn::padded(s.width);
    std::vector<float> result(static_cast<std::size_t>(s.out_maps * s.height * s.width));
    for (int y = 0; y < s.height; ++y) {
        std::vector<const float*> pointers;
        for (int ky = 0; ky < s.kernel_y; ++ky) pointers.push_back(rows[static_cast<std::size_t>(y + ky)].data());
        std::vector<float> out(static_cast<std::size_t>(s.out_maps * out_stride));
        mtcnn::PlanarConvolution a{};
        a.rows = pointers.data();
        a.map_stride = stride;
        a.weights = weights.data();
        a.magnitudes = mtcnn::magnitudes_of(p.conv);
        a.bias = bias.data();
        a.slopes = p.slopes.empty() ? nullptr : slopes.data();
        a.out = out.data();
        a.out_map_stride = out_stride;
        a.in_maps = s.in_maps;
        a.out_maps = s.out_maps;
        a.kernel_y = s.kernel_y;
        a.kernel_x = s.kernel_x;
        a.width = s.width;
        kernels.convolve_planar(a);
        for (int o = 0; o < s.out_maps; ++o) {
            std::copy_n(out.data() + o * out_stride, s.width, result.data() + at(o, y, 0, s.height, s.width));
        }
    }
    return result;
}

// planar: the rows of the input are planar, as for a first layer; otherwise H x W x padded(in_maps).
std::vector<std::vector<float>> over_channels(const Kernels& kernels, const Problem& p, bool planar) {
    const Shape& s = p.shape;
    const auto weights = mtcnn::pack_convolution(p.conv, kernels.channel_group(s.out_maps));
    const auto bias = mtcnn::padded_copy(p.conv.bias);
    const auto slopes = mtcnn::padded_copy(p.slopes);
    mtcnn::ChannelConvolution a{};
    a.pixel_stride = planar ? 1 : mtcnn::padded(s.in_maps);
    a.map_stride = planar ? mtcnn::padded(s.in_width()) : 1;
    a.row_stride = planar ? s.in_maps * a.map_stride : s.in_width() * a.pixel_stride;
    a.item_stride = s.in_height() * a.row_stride;
    std::vector<float> in(static_cast<std::size_t>(s.items * a.item_stride), test::kNaN);
    for (int i = 0; i < s.items; ++i) {
        for (int c = 0; c < s.in_maps; ++c) {
            for (int y = 0; y < s.in_height(); ++y) {
                for (int x = 0; x < s.in_width(); ++x) {
                    in[static_cast<std::size_t>(i * a.item_stride + y * a.row_stride + x * a.pixel_stride +
                                                c * a.map_stride)] =
                        p.maps[static_cast<std::size_t>(i)][at(c, y, x, s.in_height(), s.in_width())];
                }
            }
        }
    }
    a.out_pixel_stride = mtcnn::padded(s.out_maps);
    const std::ptrdiff_t out_size = s.height * s.width * a.out_pixel_stride;
    std::vector<float> out(static_cast<std::size_t>(s.items * out_size));
    a.in = in.data();
    a.weights = weights.data();
    a.magnitudes = mtcnn::magnitudes_of(p.conv);
    a.bias = bias.data();
    a.slopes = p.slopes.empty() ? nullptr : slopes.data();
    a.out = out.data();
    a.items = s.items;
    a.in_maps = s.in_maps;
    a.out_maps = s.out_maps;
    a.kernel_y = s.kernel_y;
    a.kernel_x = s.kernel_x;
    a.height = s.height;
    a.width = s.width;
    kernels.convolve_channels(a);
    std::vector<std::vector<float>> results;
    for (int i = 0; i < s.items; ++i) {
        std::vector<float> result(static_cast<std::size_t>(s.out_maps * s.height * s.width));
        for (int pixel = 0; pixel < s.height * s.width; ++pixel) {
            const float* from = out.data() + i * out_size + pixel * a.out_pixel_stride;
            for (int o = 0; o < s.out_maps; ++o) {
                result[static_cast<std::size_t>(o * s.height * s.width + pixel)] = from[o];
            }
        }
        results.push_back(std::move(result));
    }
    return results;
}

void check_all(const Problem& p) {
    const Shape& shape = p.shape;
    std::vector<std::vector<float>> expected;
    for (const auto& maps : p.maps) expected.push_back(by_hand(p, maps));
    for (const Kernels* kernels : test::variants()) {
        const auto planar_in = over_channels(*kernels, p, true);
        const auto channels_in = over_channels(*kernels, p, false);
        for (std::size_t i = 0; i < expected.size(); ++i) {
            const auto pixels = over_pixels(*kernels, p, p.maps[i]);
            CHECK(test::same_bits(pixels, expected[i]), kernels->name, "pixels", shape, "item", i);
            CHECK(test::same_bits(planar_in[i], expected[i]), kernels->name, "planar in", shape, "item", i);
            CHECK(test::same_bits(channels_in[i], expected[i]), kernels->name, "channels", shape, "item", i);
        }
    }
}

void check_all(const Shape& shape, test::Random& random) {
    const Fill fill = test::kFills[random.integer(0, 2)];
    check_all(Problem(shape, fill, random.integer(0, 1) != 0, random));
}

// A float plus a product of about half of its last bit. The remainder of the product decides the rounding of the sum
// and lies below the last bit of a double. exponent: of the float; below -126 it is subnormal.
void check_half_way(int exponent, test::Random& random) {
    Problem p({2, 19, 1, 1, 1, 70}, Fill::kSmallIntegers, false, random);
    for (float& v : p.conv.bias) v = 0;
    for (std::size_t o = 0; o < 19; ++o) {
        p.conv.kernel[2 * o] = 1;
        p.conv.kernel[2 * o + 1] = (o % 2 != 0 ? 1.0F : -1.0F) * std::ldexp(1 - std::ldexp(1.0F, -23), -41);
    }
    const float last_bit = std::ldexp(1.0F, std::max(exponent - 23, -149));
    for (std::size_t x = 0; x < 70; ++x) {
        const float number = std::ldexp(random.uniform(1, 2), exponent);
        p.maps[0][x] = x % 2 != 0 ? number : -number;
        p.maps[0][70 + x] = std::ldexp(last_bit, 40) * (1 + std::ldexp(1.0F, -23));
    }
    check_all(p);
}

// Two or three products of `weight` and one of the inputs.
void check_products(float weight, const std::vector<float>& inputs, test::Random& random) {
    const int maps = static_cast<int>(inputs.size());
    Problem p({maps, 6, 1, 1, 1, 20}, Fill::kSmallIntegers, false, random);
    for (float& v : p.conv.bias) v = 0;
    for (float& v : p.conv.kernel) v = weight;
    for (std::size_t i = 0; i < p.maps[0].size(); ++i) p.maps[0][i] = inputs[i / 20];
    check_all(p);
}

}  // namespace

int main() {
    test::Random random(1);
    test::run("shapes of the detector", [&] {
        for (const Shape& s : {Shape{3, 10, 3, 3, 4, 53}, Shape{10, 16, 3, 3, 3, 24}, Shape{16, 32, 3, 3, 2, 22},
                               Shape{3, 28, 3, 3, 22, 22}, Shape{28, 48, 3, 3, 9, 9}, Shape{48, 64, 2, 2, 3, 3, 3},
                               Shape{3, 32, 3, 3, 46, 46}, Shape{64, 64, 3, 3, 8, 8}, Shape{64, 128, 2, 2, 3, 3, 2}}) {
            check_all(s, random);
        }
    });
    test::run("every number of output maps", [&] {
        for (int maps = 1; maps <= 70; ++maps) check_all({3, maps, 3, 3, 2, 5}, random);
    });
    test::run("every number of input maps", [&] {
        for (int maps = 1; maps <= 70; ++maps) check_all({maps, 5, 2, 2, 2, 5}, random);
    });
    test::run("every width", [&] {
        for (int width = 1; width <= 100; ++width) check_all({2, 11, 3, 3, 1, width}, random);
    });
    test::run("every kernel up to 5 x 6", [&] {
        for (int y = 1; y <= 5; ++y) {
            for (int x = 1; x <= 6; ++x) {
                check_all({2, 9, y, x, 1, 1}, random);
                check_all({3, 17, y, x, 3, 18}, random);
            }
        }
    });
    test::run("every number of items", [&] {
        for (int items = 1; items <= 26; ++items) {
            check_all({5, 20, 2, 2, 1, 1, items}, random);
            check_all({3, 33, 3, 3, 3, 2, items}, random);
        }
    });
    test::run("sums half way between two floats", [&] {
        for (const int exponent : {0, 1, -1, 20, -60, 100, -100}) check_half_way(exponent, random);
    });
    test::run("subnormal sums half way between two floats", [&] {
        for (int exponent = -140; exponent <= -122; ++exponent) check_half_way(exponent, random);
    });
    test::run("products at the limit of subnormal sums", [&] {
        // With the exponent -127 the lowest bit of the product is 2^-150: both sums are rounded.
        for (int exponent = -132; exponent <= -120; ++exponent) {
            const float number = std::ldexp(1.0F, exponent);
            check_products(1 + std::ldexp(1.0F, -23), {number, number}, random);
            check_products(1 + std::ldexp(1.0F, -23), {number, 3 * number, -number}, random);
        }
    });
    test::run("sums that overflow", [&] {
        for (int exponent = 122; exponent <= 127; ++exponent) {
            const float number = std::ldexp(1.0F, exponent);
            check_products(1, {number, number, -number}, random);
            // The inputs are far below the largest float, and because of the 1, not all doubles are exact.
            const float input = std::ldexp(number, -40);
            check_products(std::ldexp(1.5F, 40), {input, input, -input, 1}, random);
        }
        const float infinity = std::numeric_limits<float>::infinity();
        check_products(1, {1, infinity, 1}, random);
        check_products(1, {infinity, -infinity}, random);
    });
    test::run("random shapes", [&] {
        for (int i = 0; i < 60; ++i) {
            check_all({random.integer(1, 20), random.integer(1, 70), random.integer(1, 5), random.integer(1, 5),
                       random.integer(1, 6), random.integer(1, 40), random.integer(1, 4)},
                      random);
        }
    });
}
