// Compares both pooling kernels with the definition: row by row through the window, and only a greater value replaces.
#include <algorithm>

#include "check.h"
#include "mtcnn/model.h"
#include "numbers.h"

namespace {

using mtcnn::Kernels;
using mtcnn::MaxPool;
using test::at;

struct Maps {
    int count, height, width;
    std::vector<float> values;
};

Maps by_hand(const Maps& in, const MaxPool& pool) {
    Maps out{in.count,
             mtcnn::pooled_size(in.height, pool.kernel_y, pool.stride_y),
             mtcnn::pooled_size(in.width, pool.kernel_x, pool.stride_x),
             {}};
    for (int c = 0; c < in.count; ++c) {
        for (int y = 0; y < out.height; ++y) {
            for (int x = 0; x < out.width; ++x) {
                const int left = x * pool.stride_x;
                const int top = y * pool.stride_y;
                float best = in.values[at(c, top, left, in.height, in.width)];
                for (int r = top; r < std::min(top + pool.kernel_y, in.height); ++r) {
                    for (int i = left; i < std::min(left + pool.kernel_x, in.width); ++i) {
                        const float v = in.values[at(c, r, i, in.height, in.width)];
                        best = v > best ? v : best;
                    }
                }
                out.values.push_back(best);
            }
        }
    }
    return out;
}

std::vector<float> over_pixels(const Kernels& kernels, const Maps& in, const MaxPool& pool, const Maps& expected) {
    const int stride = mtcnn::padded(in.width + mtcnn::kPad - 1);
    const int out_stride = mtcnn::padded(expected.width);
    std::vector<float> result(expected.values.size());
    for (int y = 0; y < expected.height; ++y) {
        const int top = y * pool.stride_y;
        const int rows = std::min(pool.kernel_y, in.height - top);
        std::vector<std::vector<float>> memory;
        std::vector<const float*> pointers;
        for (int r = 0; r < rows; ++r) {
            memory.emplace_back(static_cast<std::size_t>(in.count * stride), test::kNaN);
            for (int c = 0; c < in.count; ++c) {
                std::copy_n(in.values.data() + at(c, top + r, 0, in.height, in.width), in.width,
                            memory.back().data() + c * stride);
            }
        }
        for (const auto& row : memory) pointers.push_back(row.data());
        std::vector<float> out(static_cast<std::size_t>(in.count * out_stride));
        mtcnn::PlanarPooling a{};
        a.rows = pointers.data();
        a.row_count = rows;
        a.map_stride = stride;
        a.out = out.data();
        a.out_map_stride = out_stride;
        a.maps = in.count;
        a.in_width = in.width;
        a.width = expected.width;
        a.kernel_x = pool.kernel_x;
        a.stride_x = pool.stride_x;
        kernels.pool_planar(a);
        for (int c = 0; c < in.count; ++c) {
            std::copy_n(out.data() + c * out_stride, expected.width,
                        result.data() + at(c, y, 0, expected.height, expected.width));
        }
    }
    return result;
}

std::vector<float> over_channels(const Kernels& kernels, const Maps& in, const MaxPool& pool, const Maps& expected) {
    mtcnn::ChannelPooling a{};
    a.channels = mtcnn::padded(in.count);
    std::vector<float> from(static_cast<std::size_t>(in.height * in.width * a.channels), test::kNaN);
    for (int c = 0; c < in.count; ++c) {
        for (int y = 0; y < in.height; ++y) {
            for (int x = 0; x < in.width; ++x) {
                from[at(y, x, c, in.width, a.channels)] = in.values[at(c, y, x, in.height, in.width)];
            }
        }
    }
    std::vector<float> out(static_cast<std::size_t>(expected.height * expected.width * a.channels));
    a.in = from.data();
    a.out = out.data();
    a.in_height = in.height;
    a.in_width = in.width;
    a.height = expected.height;
    a.width = expected.width;
    a.kernel_y = std::min(pool.kernel_y, in.height);
    a.kernel_x = std::min(pool.kernel_x, in.width);
    a.stride_y = pool.stride_y;
    a.stride_x = pool.stride_x;
    kernels.pool_channels(a);
    std::vector<float> result(expected.values.size());
    for (int c = 0; c < in.count; ++c) {
        for (int y = 0; y < expected.height; ++y) {
            for (int x = 0; x < expected.width; ++x) {
                result[at(c, y, x, expected.height, expected.width)] = out[at(y, x, c, expected.width, a.channels)];
            }
        }
    }
    return result;
}

float with_specials(test::Random& random) {
    switch (random.integer(0, 9)) {
        case 0:
            return test::kNaN;
        case 1:
            return 0.0F;
        case 2:
            return -0.0F;
        case 3:
            return -std::numeric_limits<float>::infinity();
        default:
            return random.number(test::Fill::kSmallIntegers);
    }
}

void check_all(int count, int height, int width, const MaxPool& pool, test::Random& random) {
    Maps in{count, height, width, std::vector<float>(static_cast<std::size_t>(count * height * width))};
    const bool specials = random.integer(0, 1) != 0;
    for (float& v : in.values) v = specials ? with_specials(random) : random.number(test::Fill::kWild);
    const Maps expected = by_hand(in, pool);
    for (const Kernels* kernels : test::variants()) {
        CHECK(test::same_bits(over_pixels(*kernels, in, pool, expected), expected.values), kernels->name, "pixels",
              count, height, width, "pool", pool.kernel_x, pool.kernel_y, pool.stride_x, pool.stride_y);
        CHECK(test::same_bits(over_channels(*kernels, in, pool, expected), expected.values), kernels->name, "channels",
              count, height, width, "pool", pool.kernel_x, pool.kernel_y, pool.stride_x, pool.stride_y);
    }
}

}  // namespace

int main() {
    test::Random random(2);
    test::run("the detector's windows on every width", [&] {
        for (int width = 2; width <= 100; ++width) {
            check_all(2, 4, width, {2, 2, 2, 2}, random);
            check_all(2, 5, width, {2, 2, 2, 2}, random);
            check_all(2, 5, width, {2, 2, 1, 1}, random);
            if (width >= 3) check_all(2, 9, width, {3, 3, 2, 2}, random);
        }
    });
    test::run("every number of maps", [&] {
        for (int count = 1; count <= 70; ++count) check_all(count, 4, 6, {3, 3, 2, 2}, random);
    });
    test::run("random windows", [&] {
        for (int i = 0; i < 2000;) {
            const MaxPool pool{random.integer(1, 5), random.integer(1, 5), random.integer(1, 6), random.integer(1, 6)};
            const int height = random.integer(1, 12);
            const int width = random.integer(1, 50);
            if (mtcnn::pooled_size(height, pool.kernel_y, pool.stride_y) < 1 ||
                mtcnn::pooled_size(width, pool.kernel_x, pool.stride_x) < 1) {
                continue;
            }
            check_all(random.integer(1, 5), height, width, pool, random);
            ++i;
        }
    });
}
