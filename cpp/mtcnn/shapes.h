// How layers fit each other.
#pragma once

#include <string>

#include "model.h"

namespace mtcnn {

// The layer that does not fit, and why: "expected …, found …".
struct Misfit {
    std::size_t index;
    std::string expected, found;
};

std::optional<Misfit> find_misfit(const Network& network, const Purpose& purpose);

}  // namespace mtcnn
