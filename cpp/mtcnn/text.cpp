#include "text.h"

#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>

namespace mtcnn {
namespace {

// d.ddde+xx with `digits` digits after the point. The point depends on the locale of the process.
std::string scientific(double value, int digits) {
    std::array<char, 40> text{};
    std::snprintf(text.data(), text.size(), "%.*e", digits, value);
    return text.data();
}

// A number that is too large gives infinity.
float read_back(const std::string& text, float /*type*/) { return std::strtof(text.c_str(), nullptr); }
double read_back(const std::string& text, double /*type*/) { return std::strtod(text.c_str(), nullptr); }

template <class T>
std::string shortest(T value) {
    if (std::isnan(value)) return "nan";
    if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
    std::string text;
    for (int digits = 0; digits < std::numeric_limits<T>::max_digits10; ++digits) {
        text = scientific(double{value}, digits);
        if (read_back(text, T{}) == value) break;
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
