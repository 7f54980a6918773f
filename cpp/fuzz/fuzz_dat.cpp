// Reads bytes as a `.dat`. The reader must accept them or throw the documented error. An accepted network is written
// and must be equal when it is read again.
#include <array>
#include <cstring>
#include <stdexcept>

#include "bytes.h"
#include "mtcnn/model.h"

namespace {

constexpr std::array<mtcnn::Requirements, 8> kRequirements = {mtcnn::Requirements{}, mtcnn::kPNet, mtcnn::kRNet,
                                                              mtcnn::kONet,          {1, 1},       {7, std::nullopt},
                                                              {std::nullopt, 2},     {1 << 20, 6}};

bool same(const std::vector<float>& a, const std::vector<float>& b) {
    return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

bool same(const mtcnn::Conv2d& a, const mtcnn::Conv2d& b) {
    return a.out_maps == b.out_maps && a.in_maps == b.in_maps && a.kernel_y == b.kernel_y && a.kernel_x == b.kernel_x &&
           same(a.kernel, b.kernel) && same(a.bias, b.bias);
}

bool same(const mtcnn::MaxPool& a, const mtcnn::MaxPool& b) {
    return a.kernel_x == b.kernel_x && a.kernel_y == b.kernel_y && a.stride_x == b.stride_x && a.stride_y == b.stride_y;
}

bool same(const mtcnn::FullyConnected& a, const mtcnn::FullyConnected& b) {
    return a.inputs == b.inputs && a.outputs == b.outputs && same(a.weights, b.weights) && same(a.bias, b.bias);
}

bool same(const mtcnn::PReLU& a, const mtcnn::PReLU& b) { return same(a.slopes, b.slopes); }

bool same(const mtcnn::Sigmoid&, const mtcnn::Sigmoid&) { return true; }

bool same(const mtcnn::Network& a, const mtcnn::Network& b) {
    if (a.layers.size() != b.layers.size() || a.names() != b.names()) return false;
    for (std::size_t i = 0; i < a.layers.size(); ++i) {
        if (a.layers[i].index() != b.layers[i].index()) return false;
        const auto equal = [&](const auto& layer) {
            return same(layer, std::get<std::decay_t<decltype(layer)>>(b.layers[i]));
        };
        if (!std::visit(equal, a.layers[i])) return false;
    }
    return true;
}

void check_error(const std::string& message) {
    const auto starts_with = [&](const char* text) { return message.rfind(text, 0) == 0; };
    if (!starts_with("a.dat: byte ") || message.find(": expected ") == std::string::npos ||
        message.find(", found ") == std::string::npos) {
        fuzz::finding("an error of another form: " + message);
    }
}

void read_all(std::span<const std::byte> data, const mtcnn::Requirements& requirements) {
    mtcnn::Network network;
    try {
        network = mtcnn::read_network(data, "a.dat", requirements);
    } catch (const std::invalid_argument& error) {
        check_error(error.what());
        return;
    }
    const std::vector<std::byte> written = mtcnn::write_network(network);
    if (!same(mtcnn::read_network(written, "written.dat", requirements), network))
        fuzz::finding("read back as another");
    // Every float64 of the input takes four bytes less in the output. The sizes are equal only if there is none.
    const bool of_one_size = written.size() == data.size();
    if (written.size() > data.size()) fuzz::finding("written larger than it was");
    if (of_one_size && std::memcmp(written.data(), data.data(), data.size()) != 0) fuzz::finding("written otherwise");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    read_all(std::as_bytes(std::span(data + 1, size - 1)), kRequirements[data[0] % kRequirements.size()]);
    return 0;
}
