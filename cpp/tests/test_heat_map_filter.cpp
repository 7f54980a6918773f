// The filter of PNet's heat maps: its lower bounds, and the positions that it finds, against exact outputs.
#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>

#include "check.h"
#include "mtcnn/cascade.h"
#include "mtcnn/packing.h"
#include "mtcnn/proposals.h"
#include "mtcnn/winograd.h"
#include "random_model.h"

namespace {

using mtcnn::Conv2d;
using mtcnn::FullyConnected;
using mtcnn::HeatMapFilter;
using mtcnn::Kernels;
using mtcnn::Network;
using mtcnn::PlanarNetwork;
using mtcnn::PReLU;
using test::at;
using test::Fill;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Maps (C, H, W).
struct Maps {
    int maps = 0, height = 0, width = 0;
    std::vector<float> values;
    float operator()(int c, int y, int x) const { return values[at(c, y, x, height, width)]; }
};

Maps planar_maps(int maps, int height, int width, const std::function<float(int c, int y, int x)>& value) {
    Maps result{maps, height, width, {}};
    for (int c = 0; c < maps; ++c) {
        for (int y = 0; y < height; ++y) {
            for (int x = 0; x < width; ++x) result.values.push_back(value(c, y, x));
        }
    }
    return result;
}

PlanarNetwork::Source source_of(const Maps& maps) {
    return [&maps](int y, float* row, std::ptrdiff_t stride) {
        for (int c = 0; c < maps.maps; ++c) {
            for (int x = 0; x < maps.width; ++x) row[c * stride + x] = maps(c, y, x);
        }
    };
}

Maps outputs_of(const PlanarNetwork& network, const Maps& in) {
    Maps out{6, 0, 0, {}};
    int height = in.height;
    out.width = in.width;
    for (const mtcnn::PlanarStage& stage : network.stages()) {
        std::tie(height, out.width) = stage.out_size(height, out.width);
    }
    out.height = height;
    out.values.resize(static_cast<std::size_t>(6 * out.height * out.width));
    mtcnn::PlanarScratch scratch;
    mtcnn::CancellationPoint none;
    const auto sink = [&](int y, const float* row, std::ptrdiff_t stride) {
        for (int o = 0; o < 6; ++o) {
            std::copy_n(row + o * stride, out.width, out.values.data() + at(o, y, 0, out.height, out.width));
        }
    };
    network.run(in.height, in.width, 0, out.height, source_of(in), sink, scratch, none);
    return out;
}

// Results of the kernel for the whole output, in chunks and with `padding` after each row of the input.
Maps lower_bounds(const Kernels& kernels, const Conv2d& conv, const PReLU& prelu, const FullyConnected& fc,
                  const mtcnn::ErrorBound& bound, const Maps& in, float padding) {
    Maps result = planar_maps(1, in.height - 2, in.width - 2, [](int, int, int) { return test::kNaN; });
    const int stride = mtcnn::padded(in.width) + 64;
    const mtcnn::Buffer<float> weights = mtcnn::winograd::pack_transformed(conv, kernels.bounds_group);
    std::vector<float> directions;
    for (int m = 0; m < conv.out_maps; ++m)
        directions.push_back(fc.weights[at(0, m, 0, 0, 6)] - fc.weights[at(0, m, 1, 0, 6)]);
    std::vector<float> scratch(static_cast<std::size_t>(24 * conv.in_maps * mtcnn::kBoundsPairs));
    for (int y = 0; y < result.height; y += 4) {
        std::vector<std::vector<float>> rows;
        for (int r = 0; r < 6; ++r) {
            const bool is_inside = y + r < in.height;
            rows.emplace_back(static_cast<std::size_t>(conv.in_maps * stride), is_inside ? padding : 0.0F);
            for (int c = 0; is_inside && c < conv.in_maps; ++c) {
                for (int x = 0; x < in.width; ++x) rows.back()[at(0, c, x, 0, stride)] = in(c, y + r, x);
            }
        }
        std::vector<float> out(static_cast<std::size_t>(4 * stride));
        for (int x = 0; x < result.width; x += 2 * mtcnn::kBoundsPairs) {
            std::vector<const float*> starts;
            for (const std::vector<float>& row : rows) starts.push_back(row.data() + x);
            kernels.bound_differences({starts.data(), stride, weights.data(), conv.bias.data(), prelu.slopes.data(),
                                       directions.data(), fc.bias[0] - fc.bias[1], bound.relative, bound.absolute,
                                       scratch.data(), out.data() + x, stride, conv.in_maps, conv.out_maps,
                                       std::min(2 * mtcnn::kBoundsPairs, result.width - x)});
        }
        for (int r = 0; r < std::min(4, result.height - y); ++r) {
            std::copy_n(out.data() + at(0, r, 0, 0, stride), result.width,
                        result.values.data() + at(0, y + r, 0, 0, result.width));
        }
    }
    return result;
}

// Norm of the inputs on which the error of the result at (y, x) depends. Inputs outside of the maps count as zero.
double window_norm(const Maps& in, int y, int x) {
    double sum = 0;
    for (int c = 0; c < in.maps; ++c) {
        for (int r = y / 4 * 4; r < std::min(y / 4 * 4 + 6, in.height); ++r) {
            for (int i = x / 2 * 2; i < std::min(x / 2 * 2 + 4, in.width); ++i) {
                sum += std::pow(static_cast<double>(in(c, r, i)), 2);
            }
        }
    }
    return std::sqrt(sum);
}

// At every position, the approximation lies within the bound, and the lower bound does not exceed the exact difference.
void check_bounds(const Conv2d& conv, const PReLU& prelu, const FullyConnected& fc, const Maps& in) {
    const auto bound = mtcnn::error_bound(conv, prelu, fc);
    CHECK(bound.has_value(), conv.in_maps, conv.out_maps);
    for (const Kernels* kernels : test::variants()) {
        const Maps exact = outputs_of(PlanarNetwork({{conv, prelu, fc}}, in.maps, *kernels), in);
        const Maps approximate = lower_bounds(*kernels, conv, prelu, fc, {}, in, 0);
        const Maps lower = lower_bounds(*kernels, conv, prelu, fc, *bound, in, test::kNaN);
        for (int y = 0; y < exact.height; ++y) {
            for (int x = 0; x < exact.width; ++x) {
                const float difference = exact(0, y, x) - exact(1, y, x);
                const double norm = window_norm(in, y, x);
                const float bounded = lower(0, y, x);
                CHECK(bounded == -kInfinity || bounded <= difference, kernels->name, conv.in_maps, conv.out_maps, y, x,
                      bounded, difference, norm);
                if (!(norm < 1e19)) continue;  // its square may be infinite
                const double error = std::abs(static_cast<double>(approximate(0, y, x)) - difference);
                CHECK(error <= bound->relative * norm * (1 + 1e-6) + bound->absolute, kernels->name, conv.in_maps,
                      conv.out_maps, y, x, error, norm);
            }
        }
    }
}

struct Layers {
    Conv2d conv;
    PReLU prelu;
    FullyConnected fc;
};

Layers random_layers(int in_maps, int out_maps, float scale, test::Random& random) {
    Layers layers{test::conv2d(random, in_maps, out_maps, 3, 3), test::prelu(random, out_maps),
                  test::fully_connected(random, out_maps, 6)};
    for (float& weight : layers.conv.kernel) weight *= scale;
    return layers;
}

void check_found(const Network& network, const Maps& in, bool real, test::Random& random) {
    for (const Kernels* kernels : test::variants()) {
        const PlanarNetwork stages(network, in.maps, *kernels);
        const HeatMapFilter filter(network, stages, *kernels);
        CHECK(filter.usable(), kernels->name);
        const Maps exact = outputs_of(stages, in);
        std::vector<float> differences;
        for (int y = 0; y < exact.height; ++y) {
            for (int x = 0; x < exact.width; ++x) differences.push_back(exact(0, y, x) - exact(1, y, x));
        }
        std::vector<float> sorted;
        std::copy_if(differences.begin(), differences.end(), std::back_inserter(sorted),
                     [](float v) { return std::isfinite(v); });
        std::sort(sorted.begin(), sorted.end());
        CHECK(!sorted.empty());
        for (int place = 0; place < 9; ++place) {
            // From the lowest differences to the highest, most of them low.
            const auto index =
                static_cast<std::size_t>(std::pow(place / 8.0, 3) * static_cast<double>(sorted.size() - 1));
            const float limit = sorted[index];
            const int from = random.integer(0, exact.height - 1);
            const int to = random.integer(from + 1, exact.height);
            for (const auto& [first, last] : {std::pair(0, exact.height), std::pair(from, to)}) {
                std::vector<std::pair<int, int>> found;
                mtcnn::PlanarScratch planar;
                mtcnn::FilterScratch scratch;
                mtcnn::CancellationPoint none;
                const auto sink = [&](int x, int y, const float* outputs, std::ptrdiff_t stride) {
                    CHECK(found.empty() || found.back() < std::pair(y, x), kernels->name, y, x);
                    found.emplace_back(y, x);
                    for (int o = 0; o < 6; ++o) {
                        const float expected = exact(o, y, x);
                        const bool equal = std::isnan(expected) ? std::isnan(outputs[o * stride])
                                                                : test::same_bits(outputs[o * stride], expected);
                        CHECK(equal, kernels->name, o, y, x, outputs[o * stride], expected);
                    }
                };
                filter.run(in.height, in.width, first, last, limit, source_of(in), sink, planar, scratch, none);
                for (int y = first; y < last; ++y) {
                    for (int x = 0; x < exact.width; ++x) {
                        if (!(differences[at(0, y, x, 0, exact.width)] <= limit)) continue;
                        CHECK(std::binary_search(found.begin(), found.end(), std::pair(y, x)), kernels->name, y, x,
                              limit);
                    }
                }
                // Few other positions are in doubt.
                if (real) CHECK(found.size() <= index + sorted.size() / 10 + 2, kernels->name, found.size(), index);
            }
        }
    }
}

Maps photograph() {
    std::ifstream file(MTCNN_TEST_FACE, std::ios::binary);
    std::string magic;
    int width = 0;
    int height = 0;
    int most = 0;
    file >> magic >> width >> height >> most;
    file.get();
    std::vector<std::uint8_t> pixels(static_cast<std::size_t>(width * height * 3));
    file.read(reinterpret_cast<char*>(pixels.data()), static_cast<std::streamsize>(pixels.size()));
    CHECK(magic == "P6" && most == 255 && file.good());
    return planar_maps(3, height, width, [&](int c, int y, int x) {
        return (static_cast<float>(pixels[at(y, x, c, width, 3)]) - 127.5F) * 0.0078125F;
    });
}

}  // namespace

int main() {
    test::run("bounds of random networks", [] {
        test::Random random(1);
        for (int round = 0; round < 60; ++round) {
            const int in_maps = random.integer(1, 20);
            const float scale = std::ldexp(1.0F, round % 3 == 0 ? random.integer(-60, 30) : 0);
            const Layers layers = random_layers(in_maps, random.integer(1, 35), scale, random);
            const Fill fill = test::kFills[random.integer(0, 2)];
            const int period = random.integer(1, 4);
            const int kind = random.integer(0, 3);
            Maps in = planar_maps(in_maps, random.integer(3, 14), random.integer(3, 210), [&](int, int y, int x) {
                if (kind == 0) return (x / period + y / period) % 2 != 0 ? 1.0F : -1.0F;  // a checkerboard
                if (kind == 1) return 0.75F;
                return random.number(fill);
            });
            check_bounds(layers.conv, layers.prelu, layers.fc, in);
            for (const float special : {test::kNaN, kInfinity, -kInfinity, 3e38F, 1e20F}) {
                in.values[static_cast<std::size_t>(random.integer(0, static_cast<int>(in.values.size()) - 1))] =
                    special;
            }
            check_bounds(layers.conv, layers.prelu, layers.fc, in);
        }
    });
    test::run("networks without a finite bound", [] {
        test::Random random(2);
        const Layers good = random_layers(4, 8, 1, random);
        CHECK(mtcnn::error_bound(good.conv, good.prelu, good.fc).has_value());
        for (const float weight : {test::kNaN, kInfinity, -kInfinity, 3e38F}) {
            const auto without_bound = [&](const auto& change) {
                Layers layers = good;
                change(layers);
                CHECK(!mtcnn::error_bound(layers.conv, layers.prelu, layers.fc).has_value(), weight);
            };
            without_bound([&](Layers& l) { l.conv.kernel[7] = weight; });
            without_bound([&](Layers& l) { l.conv.bias[3] = weight; });
            without_bound([&](Layers& l) { l.prelu.slopes[2] = weight; });
            without_bound([&](Layers& l) { l.fc.weights[1] = weight; });
            without_bound([&](Layers& l) { l.fc.bias[0] = weight; });
        }
    });
    test::run("a difference of weights that is not finite", [] {
        // The sums are small, but the difference of the weights of the two outputs is infinite in float.
        Layers layers{
            {1, 1, 3, 3, std::vector<float>(9), {0}}, {{1}}, {1, 6, std::vector<float>(6), std::vector<float>(6)}};
        layers.conv.kernel[4] = std::ldexp(1.0F, -120);
        layers.fc.weights[0] = 5e37F;
        layers.fc.weights[1] = -5e37F;
        CHECK(mtcnn::error_bound(layers.conv, layers.prelu, layers.fc).has_value());
        layers.fc.weights[0] = 3e38F;
        layers.fc.weights[1] = -3e38F;
        CHECK(!mtcnn::error_bound(layers.conv, layers.prelu, layers.fc).has_value());
    });
    test::run("positions of random networks", [] {
        test::Random random(3);
        for (int round = 0; round < 12; ++round) {
            const int in_maps = random.integer(1, 12);
            const Layers layers = random_layers(in_maps, random.integer(1, 35), 1, random);
            Network network{{layers.conv, layers.prelu, layers.fc}};
            if (round % 2 == 0) {
                network.layers.insert(network.layers.begin(),
                                      {test::conv2d(random, 3, in_maps, 3, 3), test::prelu(random, in_maps)});
            }
            const int maps = round % 2 == 0 ? 3 : in_maps;
            Maps in = planar_maps(maps, random.integer(7, 30), random.integer(7, 120),
                                  [&](int, int, int) { return random.uniform(); });
            check_found(network, in, false, random);
            in.values[static_cast<std::size_t>(random.integer(0, static_cast<int>(in.values.size()) - 1))] = test::kNaN;
            check_found(network, in, false, random);
        }
    });
    test::run("networks that end with other layers", [] {
        test::Random random(4);
        const Kernels& kernels = *test::variants().front();
        const auto usable = [&](const Network& network) {
            return HeatMapFilter(network, PlanarNetwork(network, 3, kernels), kernels).usable();
        };
        const Layers l = random_layers(3, 8, 1, random);
        CHECK(usable({{l.conv, l.prelu, l.fc}}));
        CHECK(!usable({{l.conv, l.fc}}));
        CHECK(!usable({{l.conv, l.prelu, l.fc, mtcnn::Sigmoid{}}}));
        CHECK(!usable({{l.conv, l.prelu, l.fc, test::prelu(random, 6)}}));
        CHECK(!usable({{test::conv2d(random, 3, 8, 3, 2), l.prelu, l.fc}}));
        CHECK(!usable({{l.prelu, l.prelu, l.fc}}));
        // Its windows would take too long for a prompt cancellation.
        const auto maps = static_cast<int>(kernels.steps_at_a_time / (64 * 9 * 3 * 2)) + 1;
        CHECK(!usable({{test::conv2d(random, 3, maps, 3, 3), test::prelu(random, maps),
                        test::fully_connected(random, maps, 6)}}));
        CHECK(!usable({}));
    });
    test::run("each position's own difference as the limit", [] {
        test::Random random(5);
        const Network pnet = mtcnn::read_model(MTCNN_TEST_INDEX).pnet;
        const Maps face = photograph();
        const auto scaled = [&](float factor) {
            return planar_maps(3, face.height / 2, face.width / 2,
                               [&](int c, int y, int x) { return factor * face(c, 2 * y, 2 * x); });
        };
        check_found(pnet, face, true, random);
        check_found(pnet, scaled(1), true, random);
        check_found(pnet, scaled(-1), true, random);
        check_found(pnet, scaled(0.1F), true, random);
        for (const int period : {1, 5}) {
            check_found(
                pnet,
                planar_maps(3, 61, 130,
                            [&](int, int y, int x) { return (x / period + y / period) % 2 != 0 ? 0.99F : -0.99F; }),
                false, random);
        }
        check_found(pnet, planar_maps(3, 40, 251, [&](int, int, int) { return random.uniform(); }), true, random);
        check_found(pnet, planar_maps(3, 14, 15, [](int, int, int) { return 0.5F; }), false, random);
    });
    test::run("detections with and without the filter", [] {
        for (unsigned seed = 1; seed < 4; ++seed) {
            const mtcnn::Model model = seed % 2 == 0 ? test::random_model(seed) : mtcnn::read_model(MTCNN_TEST_INDEX);
            test::TestImage picture(50, 61);
            test::paint(picture, seed);
            mtcnn::Options options;
            options.min_face = 20;
            for (const float threshold : {1e-6F, 0.6F, 1.0F}) {
                options.thresholds = {threshold, 0.2F, 0.1F};
                options.threads = 1 + static_cast<int>(seed % 3);
                for (const Kernels* kernels : test::variants()) {
                    const auto plain = mtcnn::Detector(model, *kernels, false).detect(picture.image, options);
                    const auto filtered = mtcnn::Detector(model, *kernels, true).detect(picture.image, options);
                    CHECK(test::same_bits(plain, filtered), kernels->name, seed, threshold);
                }
            }
        }
    });
}
