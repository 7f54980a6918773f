// Errors that are not std::invalid_argument.
#pragma once

#include <stdexcept>

namespace mtcnn {

struct FileNotFound : std::runtime_error {
    using std::runtime_error::runtime_error;
};

}  // namespace mtcnn
