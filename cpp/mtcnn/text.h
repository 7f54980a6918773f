// Numbers in messages: the same text in every locale.
#pragma once

#include <string>

namespace mtcnn {

// "92.3 GB"
std::string bytes_text(double bytes);

}  // namespace mtcnn
