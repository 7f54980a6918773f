// Numbers in messages: the same text in every locale.
#pragma once

#include <string>

namespace mtcnn {

// The shortest text that parses to the same number, in the format of Python's repr(): "0.709", "60.0", "1e-05".
std::string number_text(double value);
std::string number_text(float value);

// "92.3 GB"
std::string bytes_text(double bytes);

}  // namespace mtcnn
