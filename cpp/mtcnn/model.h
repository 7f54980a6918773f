// Networks and their .dat files. The reference implementation (reference/model.py, reference/plan.py) has the same
// checks and messages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace mtcnn {

// A file does not exist.
struct FileNotFound : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// Convolution with stride 1 and without padding.
struct Conv2d {
    int out_maps = 0, in_maps = 0, kernel_y = 0, kernel_x = 0;
    std::vector<float> kernel;  // (out, in, kernel_y, kernel_x)
    std::vector<float> bias;
};

// Maximum of each kernel_y x kernel_x window. The number of windows is rounded; the last windows are clipped at the
// border.
struct MaxPool {
    int kernel_x = 0, kernel_y = 0, stride_x = 0, stride_y = 0;
};

// Applies to each pixel if the number of maps equals `inputs`; otherwise to all values, flattened in the order channel,
// x, y.
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
    // conv1, prelu1, pool1, conv2, …: numbered for each kind.
    std::vector<std::string> names() const;
};

// Requirements on a network. With an input size it must accept maps 3 x size x size and return one value per output.
// With outputs only it must accept maps 3 x H x W of any size and return one map per output. With neither, any network
// is valid.
struct Requirements {
    std::optional<int> input_size;
    std::optional<int> outputs;
};

inline constexpr Requirements kPNet{std::nullopt, 6};
inline constexpr Requirements kRNet{24, 6};
inline constexpr Requirements kONet{48, 16};

// Number of windows along one axis: round((size - kernel) / stride) + 1, half away from zero. Below 1 if no window
// fits.
int pooled_size(int size, int kernel, int stride);

// Size (height, width) of the last maps for an input of height x width, or nothing if the kernel of a layer does not
// fit.
std::optional<std::pair<int, int>> map_size(const Network& network, int height, int width);

// Throws std::invalid_argument "{name}: expected …, found …" if the layers do not match each other or the requirements.
void check_network(const Network& network, const std::string& name, const Requirements& requirements);

// Throws std::invalid_argument "{source}: byte {offset}: expected …, found …".
Network read_network(std::span<const std::byte> data, const std::string& source, const Requirements& requirements = {});

std::vector<std::byte> write_network(const Network& network);

struct Model {
    Network pnet, rnet, onet;
};

// Reads the networks of an index file (MTCNN_detector.txt), which has lines NAME FILE. Throws FileNotFound, or
// std::invalid_argument with file and line, or file and byte. Names are UTF-8.
Model read_model(const std::string& index_path);

}  // namespace mtcnn
