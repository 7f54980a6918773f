// Numbers in messages: the same text in every locale.
#pragma once

#include <string>

namespace mtcnn {

// The shortest text that is read back as the same number, as Python's repr() writes it: "0.709", "60.0", "1e-05".
std::string number_text(double value);
std::string number_text(float value);

// "92.3 GB"
std::string bytes_text(double bytes);

}  // namespace mtcnn
