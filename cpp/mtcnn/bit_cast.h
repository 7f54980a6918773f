// std::bit_cast, which the C++ libraries of some compilers lack.
#pragma once

#include <cstring>

namespace mtcnn {

template <class To, class From>
To bit_cast(const From& from) {
    static_assert(sizeof(To) == sizeof(From));
    To to;
    std::memcpy(&to, &from, sizeof to);
    return to;
}

}  // namespace mtcnn
