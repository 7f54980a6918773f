// A small model of random numbers that proposes and keeps many boxes, and test images.
#pragma once

#include <algorithm>
#include <cmath>

#include "mtcnn/cascade.h"
#include "numbers.h"

namespace test {

// Numbers for which sums of `inputs` products are near 1.
inline std::vector<float> weights(Random& random, int count, int inputs) {
    std::vector<float> values = random.numbers(Fill::kUniform, count);
    for (float& v : values) v *= 2.0F / std::sqrt(static_cast<float>(inputs));
    return values;
}

inline mtcnn::Conv2d conv2d(Random& random, int in, int out, int kernel_y, int kernel_x) {
    const int inputs = in * kernel_y * kernel_x;
    return {out, in, kernel_y, kernel_x, weights(random, out * inputs, inputs), random.numbers(Fill::kUniform, out)};
}

inline mtcnn::FullyConnected fully_connected(Random& random, int in, int out) {
    return {in, out, weights(random, in * out, in), random.numbers(Fill::kUniform, out)};
}

inline mtcnn::PReLU prelu(Random& random, int maps) { return {random.numbers(Fill::kUniform, maps)}; }

inline mtcnn::Model random_model(unsigned seed) {
    Random random(seed);
    mtcnn::Model model;
    model.pnet.layers = {conv2d(random, 3, 10, 3, 3),  prelu(random, 10), mtcnn::MaxPool{2, 2, 2, 2},
                         conv2d(random, 10, 5, 3, 2),  prelu(random, 5),  mtcnn::Sigmoid{},
                         fully_connected(random, 5, 6)};
    model.rnet.layers = {conv2d(random, 3, 6, 3, 3), prelu(random, 6),
                         mtcnn::MaxPool{3, 3, 2, 2}, conv2d(random, 6, 5, 2, 3),
                         mtcnn::MaxPool{3, 2, 2, 3}, fully_connected(random, 5 * 4 * 4, 20),
                         prelu(random, 20),          fully_connected(random, 20, 6)};
    model.onet.layers = {
        conv2d(random, 3, 4, 5, 4),  mtcnn::MaxPool{3, 3, 2, 2},     prelu(random, 4),
        conv2d(random, 4, 20, 3, 3), mtcnn::MaxPool{2, 2, 2, 2},     mtcnn::Sigmoid{},
        conv2d(random, 20, 9, 4, 4), fully_connected(random, 9, 11), fully_connected(random, 11 * 7 * 7, 16)};
    return model;
}

// Pixels and a view of them.
struct TestImage {
    TestImage(int height, int width) : pixels(static_cast<std::size_t>(height * width * 3)) {
        image = {pixels.data(), height, width, std::ptrdiff_t{3} * width, 3};
    }
    TestImage(const TestImage&) = delete;
    TestImage& operator=(const TestImage&) = delete;
    std::vector<std::uint8_t> pixels;
    mtcnn::Image image;
};

// Coloured blocks of all sizes.
inline void paint(TestImage& test_image, unsigned seed) {
    Random random(seed);
    const mtcnn::Image& image = test_image.image;
    for (int block = 0; block < 60; ++block) {
        const int top = random.integer(0, image.height - 1);
        const int left = random.integer(0, image.width - 1);
        const int side = random.integer(1, 40);
        const int colour = random.integer(0, 255);
        const int change = random.integer(-99, 99);
        for (int y = top; y < std::min(top + side, image.height); ++y) {
            for (int x = left; x < std::min(left + side, image.width); ++x) {
                for (int c = 0; c < 3; ++c) {
                    test_image.pixels[at(y, x, c, image.width, 3)] =
                        static_cast<std::uint8_t>(colour + c * change + (x ^ y) % 16);
                }
            }
        }
    }
}

inline bool same_bits(const mtcnn::Detections& a, const mtcnn::Detections& b) {
    const auto same = [](const auto& x, const auto& y) {
        return x.size() == y.size() && (x.empty() || std::memcmp(x.data(), y.data(), x.size() * sizeof x[0]) == 0);
    };
    return same(a.boxes, b.boxes) && same(a.scores, b.scores) && same(a.landmarks, b.landmarks);
}

}  // namespace test
