// Networks and their .dat files. The twin of reference/model.py and reference/shapes.py: same checks, same messages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace mtcnn {

// Stride 1, no padding.
struct Conv2d {
    int out_maps = 0, in_maps = 0, kernel_y = 0, kernel_x = 0;
    std::vector<float> kernel;  // (out, in, kernel_y, kernel_x)
    std::vector<float> bias;
};

// Maximum over kernel_y x kernel_x; the number of windows is rounded, the last are cut at the border.
struct MaxPool {
    int kernel_x = 0, kernel_y = 0, stride_x = 0, stride_y = 0;
};

// Per pixel when the maps are as many as its inputs, else on all values in the order channel, x, y.
struct FullyConnected {
    int inputs = 0, outputs = 0;
    std::vector<float> weights;  // (in, out)
    std::vector<float> bias;
};

// v >= 0 ? v : v * slope
struct PReLU {
    std::vector<float> slopes;
};

// 1 / (1 + exp(-v))
struct Sigmoid {};

using Layer = std::variant<Conv2d, MaxPool, FullyConnected, PReLU, Sigmoid>;

struct Network {
    std::vector<Layer> layers;
    // conv1, prelu1, pool1, conv2, …: numbered per kind.
    std::vector<std::string> names() const;
};

// What a network must be able to do. With an input size: take maps 3 x size x size and give one value per output. With
// outputs alone: take maps 3 x H x W of any size and give so many maps. With neither: anything.
struct Purpose {
    std::optional<int> input_size;
    std::optional<int> outputs;
};

inline constexpr Purpose kPNet{std::nullopt, 6};
inline constexpr Purpose kRNet{24, 6};
inline constexpr Purpose kONet{48, 16};

// Windows along one axis: round((size - kernel) / stride) + 1, half away from zero; below 1 when none fits.
int pooled_size(int size, int kernel, int stride);

// Size of the last maps (height, width) for an input of height x width, or nothing when a layer's kernel does not fit.
std::optional<std::pair<int, int>> map_size(const Network& network, int height, int width);

// Throws std::invalid_argument "{name}: expected …, found …" when the layers do not fit each other or the purpose.
void check_network(const Network& network, const std::string& name, const Purpose& purpose);

// Throws std::invalid_argument "{source}: byte {offset}: expected …, found …".
Network read_network(std::span<const std::byte> data, const std::string& source, const Purpose& purpose = {});

std::vector<std::byte> write_network(const Network& network);

struct Model {
    Network pnet, rnet, onet;
};

// Reads the networks that an index file of lines NAME FILE names (MTCNN_detector.txt). Throws FileNotFound, or
// std::invalid_argument naming file and line, or file and byte. Names are UTF-8.
Model read_model(const std::string& index_path);

}  // namespace mtcnn
