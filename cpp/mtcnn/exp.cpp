// The twin of reference/exp.py, operation for operation; the constants and the reasons are there.
#include "exp.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

namespace mtcnn {
namespace {

constexpr double kInverseLn2 = 0x1.71547652b82fep+0;
constexpr double kLn2High = 0x1.62e42fefa2000p-1;  // 40 bits: k * kLn2High is exact, and so is x - k * kLn2High
constexpr double kLn2Low = 0x1.9ef35793c7673p-41;
constexpr double kSplitter = 134217729.0;  // 2^27 + 1

constexpr double factorial(int n) { return n < 2 ? 1.0 : n * factorial(n - 1); }

// total + error rounded to odd, where total is that sum rounded to nearest.
double round_to_odd(double total, double error) {
    auto bits = std::bit_cast<std::int64_t>(total);
    if (error != 0 && (bits & 1) == 0) bits += (error < 0) == (total < 0) ? 1 : -1;
    return std::bit_cast<double>(bits);
}

}  // namespace

float exp(float value) {
    if (std::isnan(value)) return value;
    // Beyond these ends the result is 0 or infinity anyway.
    const double x = std::clamp(static_cast<double>(value), -110.0, 100.0);
    const double k = std::nearbyint(x * kInverseLn2);
    const double r = x - k * kLn2High;
    const double r_low = -(k * kLn2Low);

    // r^2 without error (Veltkamp, Dekker): square + square_low.
    const double c = r * kSplitter;
    const double a = c - (c - r);
    const double b = r - a;
    const double square = r * r;
    const double square_low = ((a * a - square) + 2.0 * (a * b)) + b * b;

    // r^3 * (1/3! + r/4! + … + r^12/15!)
    double tail = 1.0 / factorial(15);
    for (int n = 14; n > 2; --n) tail = tail * r + 1.0 / factorial(n);
    tail = tail * (square * r);

    // 1 + r, then + r^2/2: the larger first, so that the error of each sum is exact (Fast2Sum).
    const double one = 1.0 + r;
    const double one_low = r - (one - 1.0);
    const double half = 0.5 * square;
    const double two = one + half;
    const double two_low = half - (two - one);

    double low = ((one_low + two_low) + 0.5 * square_low) + tail;
    low = low + r_low * (two + low);
    const double high = two + low;
    const double result = round_to_odd(high, low - (high - two));
    return static_cast<float>(std::ldexp(result, static_cast<int>(k)));
}

}  // namespace mtcnn
