#include "error_bound.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "winograd.h"

namespace mtcnn {
namespace {

constexpr int kArea = 9;  // of a filter

// Bound of the relative rounding error of one operation in float, and of the absolute error of an operation whose
// result is subnormal.
constexpr double kUnit = 0x1p-24;
constexpr double kTiny = 0x1p-149;
// This file computes in double. Its own rounding errors are smaller than this factor.
constexpr double kUp = 1 + 0x1p-30;

// Bound of the relative error of n operations.
double gamma(int n) { return n * kUnit / (1 - n * kUnit) * kUp; }

// The number slope * norm + constant.
struct Linear {
    double slope = 0, constant = 0;
};
Linear operator+(Linear a, Linear b) { return {(a.slope + b.slope) * kUp, (a.constant + b.constant) * kUp}; }
Linear operator+(Linear a, double b) { return a + Linear{0, b}; }
Linear operator*(double factor, Linear a) { return {factor * a.slope * kUp, factor * a.constant * kUp}; }
// The larger number, or NaN if one of them is NaN.
double larger(double a, double b) { return a > b || std::isnan(a) ? a : b; }
Linear larger(Linear a, Linear b) { return {larger(a.slope, b.slope), larger(a.constant, b.constant)}; }

// Bounds of a computed value's magnitude and error.
struct Bounds {
    Linear magnitude, error;
};

double norm(std::span<const double> values) {
    double sum = 0;
    for (const double v : values) sum += v * v;
    return std::sqrt(sum) * kUp;
}

double norm(std::span<const float> values) {
    double sum = 0;
    for (const double v : values) sum += v * v;
    return std::sqrt(sum) * kUp;
}

// Sum of the products of the window and a filter with one rounding for each product.
Bounds exact_sum(std::span<const float> filter) {
    const int terms = static_cast<int>(filter.size());
    const Linear magnitude{norm(filter), 0};
    const Linear error = gamma(terms) * magnitude + 2 * terms * kTiny;
    return {magnitude + error, error};
}

// One element of the product of the transformed window and the transformed filter, summed over the input maps.
Bounds transformed_sum(std::span<const float> filter, int row, int column) {
    const double window = norm(winograd::kInputRows[row]) * norm(winograd::kInputColumns[column]) * kUp;
    double squares = 0;
    double rounding_squares = 0;
    double sum = 0;
    for (std::size_t at = 0; at < filter.size(); at += kArea) {
        const double weight = std::abs(winograd::transformed_weight(&filter[at], row, column));
        const double rounding =
            2 * kUnit * weight + 0x1p-46 * winograd::weight_magnitude(&filter[at], row, column) + kTiny;
        squares += weight * weight;
        rounding_squares += rounding * rounding;
        sum += weight;
    }
    const int maps = static_cast<int>(filter.size()) / kArea;
    const Linear exact{std::sqrt(squares) * kUp * window, 0};
    // The window is transformed with at most 6 operations per term.
    const Linear of_window = gamma(6) * exact + 16 * kTiny * sum;
    const Linear of_weights{std::sqrt(rounding_squares) * kUp * window, 0};
    const Linear magnitude = exact + of_window;
    const Linear of_sum = gamma(maps + 1) * magnitude + 2 * maps * kTiny;
    return {magnitude + of_sum, of_window + of_weights + of_sum};
}

// The sum of exact_sum() by Winograd's method: the largest bounds of the eight results.
Bounds winograd_sum(std::span<const float> filter) {
    Bounds products[winograd::kRows][winograd::kColumns];
    for (int r = 0; r < winograd::kRows; ++r) {
        for (int s = 0; s < winograd::kColumns; ++s) products[r][s] = transformed_sum(filter, r, s);
    }
    Bounds largest;
    for (const auto& of_rows : winograd::kResultsOfRows) {
        for (const auto& of_columns : winograd::kResultsOfColumns) {
            Bounds result;
            for (int r = 0; r < winograd::kRows; ++r) {
                for (int s = 0; s < winograd::kColumns; ++s) {
                    const double factor = std::abs(of_rows[r] * of_columns[s]);
                    result.magnitude = result.magnitude + factor * products[r][s].magnitude;
                    result.error = result.error + factor * products[r][s].error;
                }
            }
            const Linear of_sum = gamma(8) * result.magnitude + 64 * kTiny;
            largest.magnitude = larger(largest.magnitude, result.magnitude + of_sum);
            largest.error = larger(largest.error, result.error + of_sum);
        }
    }
    return largest;
}

Bounds biased(const Bounds& sum, double bias) {
    const Linear magnitude = sum.magnitude + std::abs(bias);
    const Linear rounding = kUnit * magnitude;
    return {magnitude + rounding, sum.error + rounding};
}

Bounds rectified(const Bounds& value, double slope) {
    const double steepest = larger(std::abs(slope), 1.0);
    const Linear magnitude = steepest * value.magnitude;
    const Linear rounding = kUnit * magnitude + kTiny;
    return {magnitude + rounding, steepest * value.error + rounding};
}

float rounded_up(double value) {
    return std::nextafter(static_cast<float>(value), std::numeric_limits<float>::infinity());
}

}  // namespace

std::optional<ErrorBound> error_bound(const Conv2d& conv, const PReLU& prelu, const FullyConnected& fc) {
    const std::size_t terms = static_cast<std::size_t>(conv.in_maps) * kArea;
    const auto outputs = static_cast<std::size_t>(fc.outputs);
    Linear error;
    Linear sums{0, std::abs(static_cast<double>(fc.bias[0])) + std::abs(static_cast<double>(fc.bias[1]))};
    Linear largest;
    for (std::size_t m = 0; m < static_cast<std::size_t>(conv.out_maps); ++m) {
        const std::span<const float> filter(conv.kernel.data() + m * terms, terms);
        const Bounds exact = rectified(biased(exact_sum(filter), conv.bias[m]), prelu.slopes[m]);
        const Bounds approximate = rectified(biased(winograd_sum(filter), conv.bias[m]), prelu.slopes[m]);
        const double first = fc.weights[m * outputs];
        const double second = fc.weights[m * outputs + 1];
        const double direction = std::abs(first - second);
        error = error + direction * (exact.error + approximate.error);
        sums = sums + (std::abs(first) + std::abs(second)) * (exact.magnitude + approximate.magnitude);
        largest = larger(larger(largest, {0, direction}), larger(exact.magnitude, approximate.magnitude));
    }
    largest = larger(largest, sums);
    // The exact outputs are sums in double, rounded to float. Adding a bias and the subtraction round again.
    error = error + 5 * kUnit * sums + 8 * kTiny;
    // The weights and the bias of the approximation are rounded differences. Each of its products and sums rounds.
    error = error + gamma(conv.out_maps + 4) * sums + 4 * conv.out_maps * kTiny;
    // The norm is computed in float. Squares that underflow are lost.
    const int squares = winograd::kRows * winograd::kColumns * conv.in_maps;
    const double lost = std::sqrt(2 * squares * kTiny) * kUp;
    const double relative = error.slope * (1 + gamma(squares + 8)) * kUp;
    const double absolute = (error.constant + error.slope * lost) * (1 + gamma(8)) + kTiny;
    // The computed norm is infinite if it is 2^64 or more, because its square overflows. The factor 2 below covers the
    // difference between the computed and the exact norm.
    constexpr double kMax = std::numeric_limits<float>::max();
    const bool is_finite = largest.slope * 0x1p64 + largest.constant < kMax / 2 && relative < kMax && absolute < kMax;
    if (!is_finite) return std::nullopt;
    return ErrorBound{rounded_up(relative), rounded_up(absolute)};
}

}  // namespace mtcnn
