#include "text.h"

#include <array>
#include <cmath>
#include <cstdint>
#include <iomanip>
#include <limits>
#include <locale>
#include <sstream>

namespace mtcnn {
namespace {

// d.ddde+xx with `digits` digits after the point. This uses streams because std::to_chars for floating-point numbers is
// missing on systems that are still in use. The classic locale makes it independent of the process.
template <class T>
std::string scientific(T value, int digits) {
    std::ostringstream stream;
    stream.imbue(std::locale::classic());
    stream << std::scientific << std::setprecision(digits) << value;
    return stream.str();
}

template <class T>
T read_back(const std::string& text) {
    std::istringstream stream(text);
    stream.imbue(std::locale::classic());
    T value = 0;
    stream >> value;
    // A number that is too large gives infinity. (Some libraries also report subnormal numbers as a failure.)
    return stream.fail() && std::abs(value) > 1 ? std::numeric_limits<T>::infinity() : value;
}

template <class T>
std::string shortest(T value) {
    if (std::isnan(value)) return "nan";
    if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
    std::string text;
    for (int digits = 0; digits < std::numeric_limits<T>::max_digits10; ++digits) {
        text = scientific(value, digits);
        if (read_back<T>(text) == value) break;
    }
    // "-d.ddde+xx": sign, digits, exponent.
    const std::size_t e = text.find('e');
    std::string digits;
    for (const char c : text.substr(0, e)) {
        if (c >= '0' && c <= '9') digits.push_back(c);
    }
    const int exponent = std::stoi(text.substr(e + 1));
    std::string result(text[0] == '-' ? 1 : 0, '-');
    if (exponent < -4 || exponent >= 16) {
        result.append(digits, 0, 1);
        if (digits.size() > 1) result.append(1, '.').append(digits, 1);
        return result.append(text, e);
    }
    if (exponent < 0) return result.append("0.").append(static_cast<std::size_t>(-exponent - 1), '0').append(digits);
    const auto whole = static_cast<std::size_t>(exponent) + 1;
    if (digits.size() < whole + 1) digits.resize(whole + 1, '0');
    return result.append(digits, 0, whole).append(1, '.').append(digits, whole);
}

}  // namespace

std::string number_text(double value) { return shortest(value); }
std::string number_text(float value) { return shortest(value); }

std::string bytes_text(double bytes) {
    constexpr std::array<const char*, 6> kUnits = {"kB", "MB", "GB", "TB", "PB", "EB"};
    std::size_t unit = 0;
    double value = bytes / 1000;
    while (value >= 999.95 && unit + 1 < kUnits.size()) {
        value /= 1000;
        ++unit;
    }
    const auto tenths = static_cast<std::int64_t>(std::llround(value * 10));
    return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " " + kUnits[unit];
}

}  // namespace mtcnn
