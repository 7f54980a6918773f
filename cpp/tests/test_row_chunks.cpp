// Wide rows and large groups are computed in chunks, so that cancellation is prompt. Chunks change no bit.
#include <algorithm>

#include "check.h"
#include "mtcnn/crop_network.h"
#include "mtcnn/planar_network.h"
#include "random_model.h"

namespace {

using mtcnn::Kernels;
using mtcnn::Network;
using mtcnn::PlanarNetwork;

// Output rows of a planar network, one after the other, each (maps, width).
std::vector<float> run_planar(const PlanarNetwork& network, const std::vector<float>& in, int height, int width,
                              int from_x, int to_x) {
    std::pair<int, int> size(height, to_x - from_x);
    for (const mtcnn::PlanarStage& stage : network.stages()) size = stage.out_size(size.first, size.second);
    const int maps = network.stages().back().out_maps;
    std::vector<float> out;
    mtcnn::PlanarScratch scratch;
    mtcnn::CancellationPoint cancellation_point;
    network.run(
        height, to_x - from_x, 0, size.first,
        [&](int y, float* row, std::ptrdiff_t stride) {
            for (int c = 0; c < 3; ++c) {
                const auto begin = in.begin() + static_cast<std::ptrdiff_t>(test::at(c, y, from_x, height, width));
                std::copy_n(begin, to_x - from_x, row + c * stride);
            }
        },
        [&](int, const float* row, std::ptrdiff_t stride) {
            for (int c = 0; c < maps; ++c) out.insert(out.end(), row + c * stride, row + c * stride + size.second);
        },
        scratch, cancellation_point);
    return out;
}

// Compares the full width with windows of it, each computed separately.
void check_planar(const Network& network, int stride, int height, int width, test::Random& random) {
    const std::vector<float> in = random.numbers(test::Fill::kUniform, 3 * height * width);
    std::vector<float> first;
    for (const Kernels* kernels : test::variants()) {
        const PlanarNetwork planar(network, 3, *kernels);
        const int maps = planar.stages().back().out_maps;
        const std::vector<float> whole = run_planar(planar, in, height, width, 0, width);
        if (first.empty()) first = whole;
        CHECK(test::same_bits(whole, first), kernels->name, "differs from", test::variants()[0]->name);
        const auto out_width = static_cast<std::ptrdiff_t>(whole.size()) / maps;  // one row
        for (int from = 0; from + 3000 <= width; from += 2000 / stride * stride) {
            const std::vector<float> window = run_planar(planar, in, height, width, from, from + 3000);
            const std::ptrdiff_t window_width = static_cast<std::ptrdiff_t>(window.size()) / maps;
            // The last windows of a pooling layer may be clipped at the end of the input window.
            const std::ptrdiff_t same = window_width - 2;
            for (int c = 0; c < maps; ++c) {
                const float* a = whole.data() + c * out_width + from / stride;
                const float* b = window.data() + c * window_width;
                CHECK(std::equal(a, a + same, b, [](float x, float y) { return test::same_bits(x, y); }), kernels->name,
                      "from", from, "map", c);
            }
        }
    }
}

}  // namespace

int main() {
    test::Random random(4);
    // Except for the cheap stages, a row of each stage has more multiply-adds than one kernel call of the slowest
    // variant.
    constexpr int kWidth = 14001;
    test::run("wide rows: convolution, PReLU, pooling by two", [&] {
        Network network;
        network.layers = {test::conv2d(random, 3, 30, 3, 3), test::prelu(random, 30), mtcnn::MaxPool{2, 2, 2, 2},
                          test::conv2d(random, 30, 20, 3, 2)};
        check_planar(network, 2, 8, kWidth, random);
    });
    test::run("wide rows: pooling by three, fully connected layer on maps, sigmoid", [&] {
        Network network;
        network.layers = {mtcnn::MaxPool{4, 2, 3, 2}, test::fully_connected(random, 3, 200),
                          test::fully_connected(random, 200, 30), mtcnn::Sigmoid{}};
        check_planar(network, 3, 2, kWidth, random);
    });
    test::run("wide rows of many maps: layers that are cheap for one map", [&] {
        Network network;
        network.layers = {test::conv2d(random, 3, 1000, 1, 1), mtcnn::Sigmoid{}, test::prelu(random, 1000),
                          mtcnn::MaxPool{2, 2, 2, 2}, test::conv2d(random, 1000, 1, 1, 1)};
        check_planar(network, 2, 2, 5001, random);
        network.layers = {test::conv2d(random, 3, 400, 1, 1), mtcnn::MaxPool{9, 12, 2, 1},
                          test::conv2d(random, 400, 1, 1, 5)};
        check_planar(network, 2, 12, 5001, random);
    });
    test::run("large groups of crops", [&] {
        Network network;
        network.layers = {test::conv2d(random, 3, 40, 3, 3),
                          test::prelu(random, 40),
                          mtcnn::MaxPool{2, 2, 2, 2},
                          test::conv2d(random, 40, 64, 3, 3),
                          mtcnn::MaxPool{3, 3, 3, 3},
                          test::fully_connected(random, 64, 70),
                          test::fully_connected(random, 70 * 3 * 3, 16)};
        constexpr int kCrops = 30;
        const std::vector<float> in = random.numbers(test::Fill::kUniform, kCrops * 3 * 24 * 24);
        std::vector<float> first;
        for (const Kernels* kernels : test::variants()) {
            const mtcnn::CropNetwork crops(network, 3, 24, 24, *kernels);
            mtcnn::CropScratch scratch;
            mtcnn::CancellationPoint cancellation_point;
            const auto run = [&](int from, int count) {
                const float* out = crops.run(
                    count,
                    [&](int crop, float* input) {
                        for (int y = 0; y < 24; ++y) {
                            for (int c = 0; c < 3; ++c) {
                                std::copy_n(in.data() + test::at((from + crop) * 3 + c, y, 0, 24, 24), 24,
                                            input + (3 * y + c) * crops.row_size());
                            }
                        }
                    },
                    scratch, cancellation_point);
                return std::vector<float>(out, out + std::ptrdiff_t{count} * mtcnn::padded(16));
            };
            const std::vector<float> all = run(0, kCrops);
            if (first.empty()) first = all;
            CHECK(test::same_bits(all, first), kernels->name);
            std::vector<float> one_by_one;
            for (int crop = 0; crop < kCrops; ++crop) {
                const std::vector<float> out = run(crop, 1);
                one_by_one.insert(one_by_one.end(), out.begin(), out.end());
            }
            CHECK(test::same_bits(all, one_by_one), kernels->name);
        }
    });
}
