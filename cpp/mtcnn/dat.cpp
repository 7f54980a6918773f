#include <cstring>
#include <stdexcept>

#include "dat.h"
#include "float_mode.h"
#include "model.h"
#include "shapes.h"

namespace mtcnn {
namespace {

// A read position in the bytes of a file. All errors have the same form. Sizes are checked before they are used.
class Reader {
public:
    Reader(std::span<const std::byte> data, const std::string& source) : data_(data), source_(source) {}

    std::size_t offset() const { return offset_; }

    [[noreturn]] void fail(std::size_t offset, const std::string& expected, const std::string& found) const {
        throw std::invalid_argument(source_ + ": byte " + std::to_string(offset) + ": expected " + expected +
                                    ", found " + found);
    }

    std::int32_t positive(const std::string& what) {
        const std::int32_t value = int32(what);
        if (value < 1) fail(offset_ - 4, what + " of 1 or more", std::to_string(value));
        return value;
    }

    Layer layer(std::array<int, 5>& counts) {
        const std::int32_t kind = int32("layer type");
        if (kind < 0 || kind > 4) fail(offset_ - 4, "layer type 0, 1, 2, 3 or 4", std::to_string(kind));
        const auto index = static_cast<std::size_t>(kind);
        const std::string name = kKinds[index] + std::to_string(++counts[index]);
        switch (kind) {
            case 0:
                return convolution(name);
            case 1:
                return pooling(name);
            case 2:
                return fully_connected(name);
            case 3:
                return PReLU{matrix(name + " slopes", 1).values};
            default:
                return Sigmoid{};
        }
    }

    void expect_end() const {
        if (offset_ != data_.size()) {
            fail(offset_, "the end of the file", std::to_string(data_.size() - offset_) + " more bytes");
        }
    }

private:
    struct Matrix {
        int rows, columns;
        std::vector<float> values;
    };

    // `count` is at most the product of two positive int32; `size` is below 2^33.
    void check_limit(std::int64_t count, std::int64_t size, const std::string& what) const {
        if (count > kSizeLimit / size) {
            fail(offset_, "at most " + std::to_string(kSizeLimit) + " bytes of " + what,
                 std::to_string(count) + " x " + std::to_string(size) + " bytes");
        }
    }

    const std::byte* take(std::int64_t count, std::int64_t size, const std::string& what) {
        check_limit(count, size, what);
        const auto bytes = static_cast<std::size_t>(count * size);
        const std::size_t left = data_.size() - offset_;
        if (bytes > left) {
            fail(offset_, std::to_string(bytes) + " bytes of " + what, std::to_string(left) + " bytes");
        }
        offset_ += bytes;
        return data_.data() + (offset_ - bytes);
    }

    static std::int32_t int32_at(const std::byte* p) {
        std::int32_t value = 0;
        std::memcpy(&value, p, sizeof value);
        return value;
    }

    std::int32_t int32(const std::string& what) { return int32_at(take(1, 4, what)); }

    std::int32_t number_type(const std::string& what) {
        const std::int32_t type = int32(what);
        if (type != kFloat32 && type != kFloat64) {
            fail(offset_ - 4, what + " 5 (float32) or 6 (float64)", std::to_string(type));
        }
        return type;
    }

    // float64 is rounded to float32.
    static void copy_numbers(const std::byte* from, std::int32_t type, float* to, std::size_t count) {
        if (type == kFloat32) {
            std::memcpy(to, from, count * sizeof(float));
            return;
        }
        for (std::size_t i = 0; i < count; ++i) {
            double value = 0;
            std::memcpy(&value, from + i * sizeof value, sizeof value);
            to[i] = static_cast<float>(value);
        }
    }

    Matrix matrix(const std::string& what, std::int32_t columns = 0) {
        Matrix m{positive(what + " rows"), columns, {}};
        if (columns == 0) {
            m.columns = positive(what + " columns");
        } else {
            const std::int32_t found = int32(what + " columns");
            if (found != columns) {
                fail(offset_ - 4, what + " columns " + std::to_string(columns), std::to_string(found));
            }
        }
        const std::int32_t type = number_type(what + " type");
        const std::int64_t count = std::int64_t{m.rows} * m.columns;
        const std::byte* data = take(count, type == kFloat32 ? 4 : 8, what);
        m.values.resize(static_cast<std::size_t>(count));
        copy_numbers(data, type, m.values.data(), m.values.size());
        return m;
    }

    Conv2d convolution(const std::string& name) {
        Conv2d conv;
        conv.in_maps = positive(name + " input maps");
        conv.out_maps = positive(name + " output maps");
        const std::byte* bias = take(conv.out_maps, 4, name + " bias");
        conv.bias.resize(static_cast<std::size_t>(conv.out_maps));
        copy_numbers(bias, kFloat32, conv.bias.data(), conv.bias.size());
        read_kernels(conv, name + " kernel");
        return conv;
    }

    // in_maps x out_maps matrices. All headers must equal the first one.
    void read_kernels(Conv2d& conv, const std::string& what) {
        const std::size_t start = offset_;
        conv.kernel_y = positive(what + " rows");
        conv.kernel_x = positive(what + " columns");
        const std::int32_t type = number_type(what + " type");
        const std::int64_t size = type == kFloat32 ? 4 : 8;
        const std::int64_t area = std::int64_t{conv.kernel_y} * conv.kernel_x;
        check_limit(area, size, what);
        offset_ = start;
        const std::int64_t record = 12 + area * size;
        const std::byte* at = take(std::int64_t{conv.in_maps} * conv.out_maps, record, what + "s");
        const std::array<std::int32_t, 3> header = {conv.kernel_y, conv.kernel_x, type};
        constexpr std::array<const char*, 3> kFields = {"rows", "columns", "type"};
        const auto values = static_cast<std::size_t>(area);
        conv.kernel.resize(conv.bias.size() * static_cast<std::size_t>(conv.in_maps) * values);
        std::size_t offset = start;
        for (int in = 0; in < conv.in_maps; ++in) {
            for (int out = 0; out < conv.out_maps; ++out, at += record, offset += static_cast<std::size_t>(record)) {
                for (std::size_t f = 0; f < header.size(); ++f) {
                    const std::int32_t found = int32_at(at + 4 * f);
                    if (found != header[f]) {
                        fail(offset + 4 * f, what + " " + kFields[f] + " " + std::to_string(header[f]),
                             std::to_string(found));
                    }
                }
                const std::size_t pair = static_cast<std::size_t>(out) * static_cast<std::size_t>(conv.in_maps) +
                                         static_cast<std::size_t>(in);
                copy_numbers(at + 12, type, conv.kernel.data() + pair * values, values);
            }
        }
    }

    MaxPool pooling(const std::string& name) {
        MaxPool pool;
        pool.kernel_x = positive(name + " kernel_x");
        pool.kernel_y = positive(name + " kernel_y");
        pool.stride_x = positive(name + " stride_x");
        pool.stride_y = positive(name + " stride_y");
        return pool;
    }

    FullyConnected fully_connected(const std::string& name) {
        Matrix bias = matrix(name + " bias", 1);
        Matrix weights = matrix(name + " weights", bias.rows);
        return {weights.rows, weights.columns, std::move(weights.values), std::move(bias.values)};
    }

    std::span<const std::byte> data_;
    const std::string& source_;
    std::size_t offset_ = 0;
};

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
    void layer(const FullyConnected& fc) {
        matrix(fc.bias.size(), 1, fc.bias.data());
        matrix(static_cast<std::size_t>(fc.inputs), fc.bias.size(), fc.weights.data());
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

Network read_network(std::span<const std::byte> data, const std::string& source, const Requirements& requirements) {
    const DefaultFloatMode mode;
    Reader reader(data, source);
    Network network;
    std::vector<std::size_t> offsets;
    std::array<int, 5> counts{};
    const int layers = reader.positive("number of layers");
    for (int i = 0; i < layers; ++i) {
        offsets.push_back(reader.offset());
        network.layers.push_back(reader.layer(counts));
    }
    reader.expect_end();
    if (auto mismatch = find_mismatch(network, requirements)) {
        reader.fail(offsets[mismatch->index], mismatch->expected, mismatch->found);
    }
    return network;
}

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
