// Compares both kernels of fully connected layers with sums in double, in the order of the inputs.
#include "check.h"
#include "mtcnn/packing.h"
#include "numbers.h"

namespace {

using mtcnn::FullyConnected;
using mtcnn::Kernels;
using test::Fill;

float prelu(float v, const std::vector<float>& slopes, std::size_t o) {
    return slopes.empty() || v >= 0 ? v : v * slopes[o];
}

FullyConnected random_layer(int inputs, int outputs, Fill fill, test::Random& random) {
    return {inputs, outputs, random.numbers(fill, inputs * outputs), random.numbers(fill, outputs)};
}

// The bias is added in double and the sum is rounded once.
std::vector<float> flat_by_hand(const FullyConnected& layer, const std::vector<float>& slopes,
                                const std::vector<float>& in) {
    std::vector<float> result;
    for (std::size_t o = 0; o < layer.bias.size(); ++o) {
        double sum = 0;
        for (std::size_t i = 0; i < in.size(); ++i) {
            sum += static_cast<double>(in[i]) * static_cast<double>(layer.weights[i * layer.bias.size() + o]);
        }
        result.push_back(prelu(static_cast<float>(sum + static_cast<double>(layer.bias[o])), slopes, o));
    }
    return result;
}

// The sum is rounded, then the bias is added in float.
float on_maps_by_hand(const FullyConnected& layer, const std::vector<float>& slopes, const std::vector<float>& in,
                      std::size_t o) {
    double sum = 0;
    for (std::size_t i = 0; i < in.size(); ++i) {
        sum += static_cast<double>(in[i]) * static_cast<double>(layer.weights[i * layer.bias.size() + o]);
    }
    return prelu(static_cast<float>(sum) + layer.bias[o], slopes, o);
}

void check_flat(int inputs, int outputs, int items, test::Random& random) {
    const Fill fill = test::kFills[random.integer(0, 2)];
    const FullyConnected layer = random_layer(inputs, outputs, fill, random);
    const std::vector<float> slopes = random.numbers(fill, random.integer(0, 1) * outputs);
    std::vector<double> features;
    std::vector<std::vector<float>> expected;
    for (int i = 0; i < items; ++i) {
        const std::vector<float> in = random.numbers(fill, inputs);
        features.insert(features.end(), in.begin(), in.end());
        expected.push_back(flat_by_hand(layer, slopes, in));
    }
    const auto bias = mtcnn::padded_copy(layer.bias);
    const auto padded_slopes = mtcnn::padded_copy(slopes);
    const auto stride = static_cast<std::size_t>(mtcnn::padded(outputs));
    for (const Kernels* kernels : test::variants()) {
        const auto weights = mtcnn::pack_fully_connected(layer, kernels->fc_group);
        std::vector<float> out(static_cast<std::size_t>(items) * stride);
        mtcnn::ChannelFullyConnected a{};
        a.in = features.data();
        a.item_stride = inputs;
        a.weights = weights.data();
        a.bias = bias.data();
        a.slopes = slopes.empty() ? nullptr : padded_slopes.data();
        a.out = out.data();
        a.out_item_stride = static_cast<std::ptrdiff_t>(stride);
        a.items = items;
        a.in_count = inputs;
        a.out_count = outputs;
        kernels->fc_channels(a);
        for (std::size_t i = 0; i < expected.size(); ++i) {
            const float* from = out.data() + i * stride;
            CHECK(test::same_bits(std::vector<float>(from, from + outputs), expected[i]), kernels->name, inputs, "->",
                  outputs, "item", i, "of", items);
        }
    }
}

void check_on_maps(int inputs, int outputs, int width, test::Random& random) {
    const Fill fill = test::kFills[random.integer(0, 2)];
    const FullyConnected layer = random_layer(inputs, outputs, fill, random);
    const std::vector<float> slopes = random.numbers(fill, random.integer(0, 1) * outputs);
    const int stride = mtcnn::padded(width + mtcnn::kPad - 1);
    std::vector<float> row(static_cast<std::size_t>(inputs * stride), test::kNaN);
    for (int c = 0; c < inputs; ++c) {
        for (int x = 0; x < width; ++x) row[static_cast<std::size_t>(c * stride + x)] = random.number(fill);
    }
    const auto weights = mtcnn::widened(layer.weights);
    const auto bias = mtcnn::padded_copy(layer.bias);
    const auto padded_slopes = mtcnn::padded_copy(slopes);
    const int out_stride = mtcnn::padded(width);
    for (const Kernels* kernels : test::variants()) {
        std::vector<float> out(static_cast<std::size_t>(outputs * out_stride));
        mtcnn::PlanarFullyConnected a{};
        a.row = row.data();
        a.map_stride = stride;
        a.weights = weights.data();
        a.bias = bias.data();
        a.slopes = slopes.empty() ? nullptr : padded_slopes.data();
        a.out = out.data();
        a.out_map_stride = out_stride;
        a.in_maps = inputs;
        a.out_maps = outputs;
        a.width = width;
        kernels->fc_planar(a);
        for (int x = 0; x < width; ++x) {
            std::vector<float> in;
            for (int c = 0; c < inputs; ++c) in.push_back(row[static_cast<std::size_t>(c * stride + x)]);
            for (int o = 0; o < outputs; ++o) {
                const float expected = on_maps_by_hand(layer, slopes, in, static_cast<std::size_t>(o));
                CHECK(test::same_bits(out[static_cast<std::size_t>(o * out_stride + x)], expected), kernels->name,
                      inputs, "->", outputs, "pixel", x, "of", width, "output", o);
            }
        }
    }
}

}  // namespace

int main() {
    test::Random random(3);
    test::run("flat, shapes of the detector", [&] {
        check_flat(576, 128, 7, random);
        check_flat(128, 6, 7, random);
        check_flat(1152, 256, 3, random);
        check_flat(256, 16, 3, random);
    });
    test::run("flattened, every number of outputs", [&] {
        for (int outputs = 1; outputs <= 70; ++outputs) check_flat(7, outputs, 3, random);
    });
    test::run("flattened, every number of items", [&] {
        for (int items = 1; items <= 30; ++items) {
            check_flat(13, 6, items, random);
            check_flat(13, 32, items, random);
        }
    });
    test::run("on maps, PNet's shape on every width", [&] {
        for (int width = 1; width <= 70; ++width) check_on_maps(32, 6, width, random);
    });
    test::run("on maps, every number of outputs", [&] {
        for (int outputs = 1; outputs <= 40; ++outputs) check_on_maps(random.integer(1, 20), outputs, 17, random);
    });
}
