// The two exponential functions over all floats: compared with OpenCV and with the C library; and the order of PNet's
// probabilities.
//   ctest --preset default -C slow -L slow
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string_view>
#include <vector>

#include "check.h"
#include "mtcnn/exp.h"
#include "mtcnn/proposals.h"
#include "numbers.h"

#ifdef MTCNN_TEST_OPENCV
#include <opencv2/core.hpp>
#endif

namespace {

using Floats = std::vector<float>;

// Calls use(values) with blocks of all floats except NaN, in the order of their bits.
void for_all_floats(const std::function<void(const Floats& values)>& use) {
    constexpr std::uint64_t kAtATime = 1 << 16;
    Floats values;
    for (std::uint64_t from = 0; from < std::uint64_t{1} << 32; from += kAtATime) {
        values.clear();
        for (std::uint64_t bits = from; bits < from + kAtATime; ++bits) {
            const auto v = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
            if (!std::isnan(v)) values.push_back(v);
        }
        if (!values.empty()) use(values);
    }
}

// Number of results that differ from those of `exp`.
class Comparison {
public:
    explicit Comparison(float (*exp)(float)) : exp_(exp) {}

    void compare(const Floats& values, const Floats& expected) {
        results_.resize(values.size());
        std::transform(values.begin(), values.end(), results_.begin(), exp_);
        compared_ += values.size();
        if (test::same_bits(results_, expected)) return;
        for (std::size_t i = 0; i < values.size(); ++i) {
            if (test::same_bits(results_[i], expected[i])) continue;
            if (++different_ > 5) continue;
            std::cout << std::hexfloat << "  " << values[i] << ": expected " << expected[i] << ", found " << results_[i]
                      << std::defaultfloat << '\n';
        }
    }

    void check() const {
        std::cout << "  " << different_ << " of " << compared_ << " differ\n";
        CHECK(different_ == 0);
    }

private:
    float (*exp_)(float);
    Floats results_;
    std::uint64_t compared_ = 0, different_ = 0;
};

void against_c_library() {
    // At these values glibc's variant without FMA rounds differently.
    const volatile float unfused = 0x1.04845ep+5F;
    if (std::exp(unfused) != 0x1.f93e38p+46F) {
        std::cout << "SKIPPED: expf of this C library is not glibc's fused variant\n";
        return;
    }
    Comparison comparison(mtcnn::exp_glibc);
    Floats expected;
    for_all_floats([&](const Floats& values) {
        expected.resize(values.size());
        std::transform(values.begin(), values.end(), expected.begin(), [](float v) { return std::exp(v); });
        comparison.compare(values, expected);
    });
    comparison.check();
}

void against_opencv() {
#ifdef MTCNN_TEST_OPENCV
    std::cout << "OpenCV " << CV_VERSION << '\n';
    constexpr std::size_t kShort = 7;  // values of a map that is shorter than a vector
    Comparison vectors(mtcnn::exp_opencv);
    Comparison tails(mtcnn::exp_opencv);
    Floats expected;
    for_all_floats([&](const Floats& values) {
        expected.resize(values.size());
        const auto run = [&](std::size_t from, std::size_t count) {
            Floats in(values.begin() + static_cast<std::ptrdiff_t>(from),
                      values.begin() + static_cast<std::ptrdiff_t>(from + count));
            cv::Mat out(1, static_cast<int>(count), CV_32F, expected.data() + from);
            cv::exp(cv::Mat(1, static_cast<int>(count), CV_32F, in.data()), out);
        };
        run(0, values.size());
        vectors.compare(values, expected);
        for (std::size_t i = 0; i < values.size(); i += kShort) run(i, std::min(kShort, values.size() - i));
        tails.compare(values, expected);
    });
    vectors.check();
    tails.check();
#else
    std::cout << "SKIPPED: no OpenCV here (libopencv-core-dev)\n";
#endif
}

// map_probability(d, 0) should decrease as d increases.
void order() {
    struct Step {
        std::int64_t at;
        float least;  // smallest probability so far
    };
    constexpr std::size_t kRemembered = 1 << 16;
    std::vector<Step> steps(kRemembered);
    std::size_t count = 0;
    const auto step = [&](std::size_t number) -> Step& { return steps[number % kRemembered]; };
    std::int64_t out_of_order = 0;
    std::int64_t farthest = 0;
    const std::int64_t end = std::bit_cast<std::int32_t>(std::numeric_limits<float>::infinity());
    for (std::int64_t i = -end; i <= end; ++i) {
        const auto magnitude = std::bit_cast<float>(static_cast<std::int32_t>(std::abs(i)));
        const float p = mtcnn::map_probability(i < 0 ? -magnitude : magnitude, 0);
        if (count == 0 || p < step(count - 1).least) step(count++) = {i, p};
        if (p == step(count - 1).least) continue;
        std::size_t first = count - 1;
        while (first > 0 && step(first - 1).least < p) {
            --first;
            CHECK(count - first < kRemembered);
        }
        ++out_of_order;
        farthest = std::max(farthest, i - step(first).at);
    }
    std::cout << "  " << out_of_order << " floats out of order, at most " << farthest << " after a lower probability\n";
    CHECK(farthest < mtcnn::kLogitBand, farthest);
}

}  // namespace

// The argument selects one of the three tests. Without an argument all run.
int main(int argc, char** argv) {  // NOLINT(misc-const-correctness): main has this signature
    const std::string_view asked = argc > 1 ? argv[1] : "";
    if (asked.empty() || asked == "order") order();
    if (asked.empty() || asked == "opencv") against_opencv();
    if (asked.empty() || asked == "libc") against_c_library();
}
