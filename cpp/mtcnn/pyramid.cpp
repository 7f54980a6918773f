// Options and the levels of the pyramid.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "cascade.h"
#include "text.h"

namespace mtcnn {
namespace {

constexpr double kCell = 12;  // receptive field of PNet in pixels

constexpr int kMaxLevels = 10000;
constexpr double kMaxSide = 1 << 27;

std::string whole_number(double value) { return std::to_string(static_cast<std::int64_t>(value)); }

// Powers of a number between 0 and 1, in sequence: a running product of two doubles, accurate to 100 bits.
class Power {
public:
    explicit Power(double base) : base_(base) {}

    void next() {
        const double product = high_ * base_;
        const double rest = std::fma(high_, base_, -product) + low_ * base_;
        high_ = product + rest;
        low_ = rest - (high_ - product);
    }

    // The exact power, rounded once.
    double rounded() const { return high_; }

    bool at_least(double value) const { return high_ > value || (high_ == value && low_ >= 0); }

private:
    double base_;
    double high_ = 1, low_ = 0;
};

// The number of powers of the scale factor, from exponent 0, that are at least min_face / shorter.
int count_levels(int shorter, const Options& options) {
    const double smallest = options.min_face / shorter;
    Power power(options.scale_factor);
    int count = 0;
    for (; power.at_least(smallest); power.next()) {
        if (count == kMaxLevels) {
            throw std::invalid_argument("scale_factor is too close to 1: the pyramid would have more than " +
                                        std::to_string(kMaxLevels) + " levels");
        }
        ++count;
    }
    return count;
}

}  // namespace

void Options::check() const {
    if (!(std::isfinite(min_face) && min_face >= 1)) {
        throw std::invalid_argument("min_face must be a finite number of pixels of 1 or more, got " +
                                    number_text(min_face));
    }
    for (const float threshold : thresholds) {
        if (!(threshold >= 0 && threshold <= 1)) {
            throw std::invalid_argument("thresholds must be three numbers from 0 to 1, got (" +
                                        number_text(thresholds[0]) + ", " + number_text(thresholds[1]) + ", " +
                                        number_text(thresholds[2]) + ")");
        }
    }
    if (!(scale_factor > 0 && scale_factor < 1)) {
        throw std::invalid_argument("scale_factor must be above 0 and below 1, got " + number_text(scale_factor));
    }
    if (threads < 1) throw std::invalid_argument("threads must be 1 or more, got " + std::to_string(threads));
    if (memory_limit < 0) {
        throw std::invalid_argument("memory_limit must be a number of bytes, or 0 for the free memory, got " +
                                    std::to_string(memory_limit));
    }
}

std::vector<Level> pyramid(int height, int width, const Options& options) {
    std::vector<Level> levels;
    const int count = count_levels(std::min(height, width), options);
    levels.reserve(static_cast<std::size_t>(count));
    Power power(options.scale_factor);
    for (int i = 0; i < count; ++i, power.next()) {
        const double scale = kCell / options.min_face * power.rounded();
        const double level_height = std::ceil(height * scale);
        const double level_width = std::ceil(width * scale);
        if (std::max(level_height, level_width) > kMaxSide) {
            throw std::invalid_argument("min_face is too small for this image: a level of the pyramid would be " +
                                        whole_number(level_height) + " x " + whole_number(level_width));
        }
        levels.push_back({scale, static_cast<int>(level_height), static_cast<int>(level_width)});
    }
    return levels;
}

}  // namespace mtcnn
