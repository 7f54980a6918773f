// Options and the levels of the pyramid.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <stdexcept>
#include <string>

#include "cascade.h"

namespace mtcnn {
namespace {

constexpr double kCell = 12;  // PNet's field of view in pixels

constexpr double kLevelsAtMost = 10000;
constexpr double kSideAtMost = 1 << 27;

std::string whole_number(double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.0f", value);
    return text;
}

// base^exponent, the exact power of the double rounded once: a running product in two doubles, good to 100 bits.
double power(double base, int exponent) {
    double high = 1;
    double low = 0;
    for (int i = 0; i < exponent; ++i) {
        const double product = high * base;
        const double rest = std::fma(high, base, -product) + low * base;
        high = product + rest;
        low = rest - (high - product);
    }
    return high;
}

}  // namespace

void Options::check() const {
    const auto number = [](double v) { return std::to_string(v); };
    if (!(std::isfinite(min_face) && min_face >= 1)) {
        throw std::invalid_argument("min_face must be a finite number of pixels of 1 or more, got " + number(min_face));
    }
    for (const float threshold : thresholds) {
        if (!(threshold >= 0 && threshold <= 1)) {
            throw std::invalid_argument("thresholds must be three numbers from 0 to 1, got " + number(threshold));
        }
    }
    if (!(scale_factor > 0 && scale_factor < 1)) {
        throw std::invalid_argument("scale_factor must be above 0 and below 1, got " + number(scale_factor));
    }
    if (threads < 1) throw std::invalid_argument("threads must be 1 or more, got " + std::to_string(threads));
}

std::vector<Level> pyramid(int height, int width, const Options& options) {
    std::vector<Level> levels;
    const int shorter = std::min(height, width);
    if (shorter < options.min_face) return levels;
    const double count = std::floor(std::log(options.min_face / shorter) / std::log(options.scale_factor)) + 1;
    if (count > kLevelsAtMost) {
        throw std::invalid_argument("scale_factor is too close to 1: the pyramid would have " + whole_number(count) +
                                    " levels");
    }
    for (int i = 0; i < static_cast<int>(count); ++i) {
        const double scale = kCell / options.min_face * power(options.scale_factor, i);
        const double level_height = std::ceil(height * scale);
        const double level_width = std::ceil(width * scale);
        if (std::max(level_height, level_width) > kSideAtMost) {
            throw std::invalid_argument("min_face is too small for this image: a level of the pyramid would be " +
                                        whole_number(level_height) + " x " + whole_number(level_width));
        }
        levels.push_back({scale, static_cast<int>(level_height), static_cast<int>(level_width)});
    }
    return levels;
}

}  // namespace mtcnn
