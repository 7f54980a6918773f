// Test numbers, the same on every machine, and comparison of bits.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

namespace test {

enum class Fill {
    kSmallIntegers,  // all sums of products are exact: a difference means a wrong index
    kUniform,        // in [-1, 1]
    kWild,           // zeros of both signs, subnormals, large and small
};

inline constexpr Fill kFills[] = {Fill::kSmallIntegers, Fill::kUniform, Fill::kWild};

class Random {
public:
    explicit Random(unsigned seed) : engine_(seed) {}

    // from … to, inclusive.
    int integer(int from, int to) {
        const auto span = static_cast<std::uint32_t>(to - from) + 1;
        return from + static_cast<int>(static_cast<std::uint32_t>(engine_()) % span);
    }

    float uniform(float from = -1, float to = 1) {
        return from + (to - from) * static_cast<float>(integer(0, 1 << 24)) / static_cast<float>(1 << 24);
    }

    float number(Fill fill) {
        if (fill == Fill::kSmallIntegers) return static_cast<float>(integer(-4, 4));
        if (fill == Fill::kUniform) return uniform();
        const float sign = integer(0, 1) != 0 ? -1.0F : 1.0F;
        switch (integer(0, 7)) {
            case 0:
                return sign * 0.0F;
            case 1:
                return sign * std::ldexp(1.0F, integer(-149, -127));
            case 2:
                return sign * uniform(1, 2) * std::ldexp(1.0F, integer(40, 55));
            case 3:
                return sign * uniform(1, 2) * std::ldexp(1.0F, integer(-80, -40));
            default:
                return sign * uniform(1, 2) * std::ldexp(1.0F, integer(-3, 3));
        }
    }

    std::vector<float> numbers(Fill fill, int count) {
        std::vector<float> values(static_cast<std::size_t>(count));
        for (float& v : values) v = number(fill);
        return values;
    }

private:
    std::mt19937 engine_;
};

inline bool same_bits(float a, float b) { return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b); }

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
    return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

// Index into maps (C, H, W).
inline std::size_t at(int c, int y, int x, int height, int width) {
    return (static_cast<std::size_t>(c) * static_cast<std::size_t>(height) + static_cast<std::size_t>(y)) *
               static_cast<std::size_t>(width) +
           static_cast<std::size_t>(x);
}

inline constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

}  // namespace test
