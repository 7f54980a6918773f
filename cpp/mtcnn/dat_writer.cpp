#include "dat.h"
#include "model.h"

namespace mtcnn {
namespace {

class Writer {
public:
    std::vector<std::byte> bytes;

    void int32(std::int32_t value) { append(&value, sizeof value); }
    void numbers(const float* values, std::size_t count) { append(values, count * sizeof(float)); }
    void matrix(std::size_t rows, std::size_t columns, const float* values) {
        int32(static_cast<std::int32_t>(rows));
        int32(static_cast<std::int32_t>(columns));
        int32(kFloat32);
        numbers(values, rows * columns);
    }

    void layer(const Conv2d& conv) {
        int32(conv.in_maps);
        int32(conv.out_maps);
        numbers(conv.bias.data(), conv.bias.size());
        const auto rows = static_cast<std::size_t>(conv.kernel_y);
        const auto columns = static_cast<std::size_t>(conv.kernel_x);
        const auto in_maps = static_cast<std::size_t>(conv.in_maps);
        for (std::size_t in = 0; in < in_maps; ++in) {
            for (std::size_t out = 0; out < conv.bias.size(); ++out) {
                matrix(rows, columns, conv.kernel.data() + (out * in_maps + in) * rows * columns);
            }
        }
    }
    void layer(const MaxPool& pool) {
        for (const int value : {pool.kernel_x, pool.kernel_y, pool.stride_x, pool.stride_y}) int32(value);
    }
    void layer(const FullyConnected& dense) {
        matrix(dense.bias.size(), 1, dense.bias.data());
        matrix(static_cast<std::size_t>(dense.inputs), dense.bias.size(), dense.weights.data());
    }
    void layer(const PReLU& prelu) { matrix(prelu.slopes.size(), 1, prelu.slopes.data()); }
    void layer(const Sigmoid&) {}

private:
    void append(const void* data, std::size_t size) {
        const auto* from = static_cast<const std::byte*>(data);
        bytes.insert(bytes.end(), from, from + size);
    }
};

}  // namespace

std::vector<std::byte> write_network(const Network& network) {
    Writer writer;
    writer.int32(static_cast<std::int32_t>(network.layers.size()));
    for (const Layer& layer : network.layers) {
        writer.int32(static_cast<std::int32_t>(layer.index()));
        std::visit([&](const auto& typed) { writer.layer(typed); }, layer);
    }
    return std::move(writer.bytes);
}

}  // namespace mtcnn
