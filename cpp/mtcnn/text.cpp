#include "text.h"

#include <array>
#include <cmath>
#include <cstdint>

namespace mtcnn {

std::string bytes_text(double bytes) {
    constexpr std::array<const char*, 6> kUnits = {"kB", "MB", "GB", "TB", "PB", "EB"};
    std::size_t unit = 0;
    double value = bytes / 1000;
    for (; value >= 999.95 && unit + 1 < kUnits.size(); value /= 1000) ++unit;
    const auto tenths = static_cast<std::int64_t>(std::llround(value * 10));
    return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " " + kUnits[unit];
}

}  // namespace mtcnn
