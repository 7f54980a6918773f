// Compatibility of the layers of a network.
#pragma once

#include <string>

#include "model.h"

namespace mtcnn {

// The first layer that does not match, and the reason: "expected …, found …".
struct Mismatch {
    std::size_t index;
    std::string expected, found;
};

std::optional<Mismatch> find_mismatch(const Network& network, const Requirements& requirements);

}  // namespace mtcnn
