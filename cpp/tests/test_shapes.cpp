// Sizes of maps after a network, and the first layer that does not match.
#include <stdexcept>

#include "check.h"
#include "random_model.h"

namespace {

using mtcnn::Network;
using Size = std::optional<std::pair<int, int>>;

// Returns the message about a network with these layers, or an empty text if it is accepted.
std::string rejection(std::vector<mtcnn::Layer> layers, const mtcnn::Requirements& requirements) {
    std::string message;
    test::throws<std::invalid_argument>([&] { mtcnn::check_network(Network{std::move(layers)}, "Net", requirements); },
                                        &message);
    return message;
}

}  // namespace

int main() {
    test::Random random(4);
    test::run("maps of one row and one column", [] {
        const Network network = test::random_model(1).pnet;  // convolution 3 x 3, pooling 2 x 2, convolution 3 x 2
        CHECK(mtcnn::map_size(network, 7, 5) == Size(std::pair(1, 1)));
        CHECK(mtcnn::map_size(network, 7, 100) == Size(std::pair(1, 48)));
        CHECK(mtcnn::map_size(network, 100, 5) == Size(std::pair(47, 1)));
        for (const auto& [height, width] : {std::pair(6, 100), {100, 4}, {6, 4}, {1, 1}}) {
            CHECK(!mtcnn::map_size(network, height, width), height, width);
        }
    });
    test::run("kernels as large as the maps, and larger", [&] {
        const Network first{{test::conv2d(random, 3, 2, 4, 3)}};
        CHECK(mtcnn::map_size(first, 4, 3) == Size(std::pair(1, 1)));
        CHECK(!mtcnn::map_size(first, 3, 3) && !mtcnn::map_size(first, 4, 2));
        const auto ends = [&](int kernel_y, int kernel_x) {
            return rejection({test::conv2d(random, 3, 6, kernel_y, kernel_x)}, mtcnn::kRNet);
        };
        CHECK(ends(24, 24).empty(), ends(24, 24));
        const std::string expected = "Net: expected conv1 with a kernel that fits 24 x 24 maps, found ";
        CHECK(ends(25, 24) == expected + "25 x 24", ends(25, 24));
        CHECK(ends(24, 25) == expected + "24 x 25", ends(24, 25));
        CHECK(ends(23, 24) == "Net: expected conv1 with outputs of 1 x 1, found 2 x 1", ends(23, 24));
    });
    test::run("a map size that becomes too small inside the network", [&] {
        // The pooling after a kernel that does not fit must not make the size valid again.
        const Network network{{test::conv2d(random, 3, 2, 5, 1), mtcnn::MaxPool{1, 1, 1, 1}}};
        for (int height = 1; height <= 4; ++height) CHECK(!mtcnn::map_size(network, height, 9), height);
        CHECK(mtcnn::map_size(network, 5, 9) == Size(std::pair(1, 9)));
    });
}
