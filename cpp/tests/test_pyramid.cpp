// Number of levels of a pyramid: the number of powers of the scale factor that are at least min_face / shorter side,
// computed here with exact integers.
#include <cmath>
#include <stdexcept>
#include <vector>

#include "check.h"
#include "mtcnn/cascade.h"
#include "numbers.h"

namespace {

// A number without rounding: digits (base 2^32, lowest first) times 2^exponent.
struct Exact {
    std::vector<std::uint32_t> digits;
    int exponent = 0;

    explicit Exact(double value) {
        int power = 0;
        const double fraction = std::frexp(value, &power);
        const auto bits = static_cast<std::uint64_t>(std::ldexp(fraction, 53));
        digits = {static_cast<std::uint32_t>(bits), static_cast<std::uint32_t>(bits >> 32)};
        exponent = power - 53;
    }

    Exact times(const Exact& other) const {
        Exact product(0);
        product.digits.assign(digits.size() + other.digits.size(), 0);
        product.exponent = exponent + other.exponent;
        for (std::size_t i = 0; i < digits.size(); ++i) {
            std::uint64_t carry = 0;
            for (std::size_t j = 0; j < other.digits.size() || carry != 0; ++j) {
                std::uint64_t sum = product.digits[i + j] + carry;
                if (j < other.digits.size()) sum += std::uint64_t{digits[i]} * other.digits[j];
                product.digits[i + j] = static_cast<std::uint32_t>(sum);
                carry = sum >> 32;
            }
        }
        return product;
    }

    // The bit with the value 2^place.
    bool bit(int place) const {
        const int at = place - exponent;
        const auto digit = static_cast<std::size_t>(at / 32);
        return at >= 0 && digit < digits.size() && ((digits[digit] >> (at % 32)) & 1U) != 0;
    }

    // Both numbers are in (0, 1].
    bool at_least(const Exact& other) const {
        for (int place = 0; place >= std::min(exponent, other.exponent); --place) {
            if (bit(place) != other.bit(place)) return bit(place);
        }
        return true;
    }
};

int levels_by_hand(double factor, double quotient) {
    const Exact base(factor);
    const Exact smallest(quotient);
    Exact power(1);
    int count = 0;
    for (; power.at_least(smallest); power = power.times(base)) ++count;
    return count;
}

int levels(double factor, double min_face, int side) {
    mtcnn::Options options;
    options.min_face = min_face;
    options.scale_factor = factor;
    return static_cast<int>(mtcnn::pyramid(side, side, options).size());
}

// `power` is the rounded power of the factor with this exponent. Tests whether this level exists if the quotient is
// `power` or one float above or below.
void check_about(double factor, double power) {
    constexpr int kSide = 1 << 14;  // a power of two: every quotient is exact
    for (const double quotient : {std::nextafter(power, 0), power, std::nextafter(power, 1)}) {
        if (quotient * kSide < 1 || quotient > 1) continue;
        const int expected = levels_by_hand(factor, quotient);
        CHECK(levels(factor, quotient * kSide, kSide) == expected, factor, quotient, expected);
    }
}

}  // namespace

int main() {
    test::run("one level where the image is as large as a face, none below", [] {
        for (const double factor : {0.1, 0.5, 0.709, 0.999}) {
            CHECK(levels(factor, 60, 60) == 1);
            CHECK(levels(factor, std::nextafter(60, 61), 60) == 0);
        }
    });
    test::run("quotients that are powers of the factor", [] {
        for (int i = 0; i < 12; ++i) CHECK(levels(0.5, 4, 4 << i) == i + 1, i);
        for (int i = 0; i < 5; ++i) CHECK(levels(0.75, std::pow(3, i), 1 << (2 * i)) == i + 1, i);
    });
    test::run("quotients next to a power of the factor", [] {
        test::Random random(7);
        std::vector<double> factors = {
            0.709, 0.5, 0.7, 0.9, 1.0 / 3, 0.01, std::nextafter(0.5, 0), std::nextafter(0.5, 1)};
        for (int i = 0; i < 200; ++i) factors.push_back(0.05 + 0.9 * static_cast<double>(random.uniform(0, 1)));
        for (const double factor : factors) {
            long double power = 1;  // close enough: the floats above and below are tested too
            for (int i = 0; i < 40; ++i, power *= static_cast<long double>(factor)) {
                check_about(factor, static_cast<double>(power));
            }
        }
    });
    test::run("at most ten thousand levels", [] {
        // The smallest quotients for which there are 9,999 and 10,000 levels.
        const double factor = 0.9999;
        const auto message = [&](double min_face) {
            std::string text;
            const bool thrown = test::throws<std::invalid_argument>([&] { levels(factor, min_face, 1 << 14); }, &text);
            return thrown ? text : std::string();
        };
        const double last = std::exp(9999 * std::log(factor)) * (1 << 14);
        CHECK(levels(factor, last * (1 + 1e-9), 1 << 14) == 9999);
        CHECK(levels(factor, last * (1 - 1e-9), 1 << 14) == 10000);
        CHECK(message(last * factor * (1 + 1e-9)).empty());
        CHECK(message(last * factor * (1 - 1e-9)) ==
              "scale_factor is too close to 1: the pyramid would have more than 10000 levels");
    });
    test::run("too many levels are reported before a level that is too large", [] {
        mtcnn::Options options;
        options.min_face = 1;
        options.scale_factor = std::nextafter(1, 0);
        std::string text;
        CHECK(test::throws<std::invalid_argument>([&] { mtcnn::pyramid(1 << 24, 1 << 24, options); }, &text));
        CHECK(text.rfind("scale_factor", 0) == 0, text);
        options.scale_factor = 0.709;
        CHECK(test::throws<std::invalid_argument>([&] { mtcnn::pyramid(1 << 24, 1 << 24, options); }, &text));
        CHECK(text.rfind("min_face", 0) == 0, text);
    });
}
