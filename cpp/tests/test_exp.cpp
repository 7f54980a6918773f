// The two exponential functions at known floats and compared with long double; the probabilities; the limit of logits.
// (exp_of_all_floats.cpp tests all floats.)
#include "mtcnn/exp.h"

#include <cfloat>
#include <cmath>
#include <limits>

#include "check.h"
#include "mtcnn/proposals.h"
#include "numbers.h"

namespace {

using test::same_bits;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

float from_bits(std::uint32_t bits) { return std::bit_cast<float>(bits); }

// In units in the last place of the float.
double distance(float found, float x) {
    const long double truth = std::exp(static_cast<long double>(x));
    const float unit = std::nextafter(found, kInfinity) - found;
    return static_cast<double>(std::abs(found - truth) / unit);
}

// The float that is `steps` floats larger. Both zeros count as one float.
float step(float v, std::int64_t steps) {
    const auto bits = std::int64_t{std::bit_cast<std::int32_t>(std::abs(v))};
    const std::int64_t place = (v < 0 ? -bits : bits) + steps;
    const auto magnitude = std::bit_cast<float>(static_cast<std::int32_t>(std::abs(place)));
    return place < 0 ? -magnitude : magnitude;
}

void check_limit(float threshold) {
    const float limit = mtcnn::logit_limit(threshold);
    const auto reaches = [&](float d) { return mtcnn::map_probability(d, 0) >= threshold; };
    for (int i = 1; i < 300 && !std::isinf(limit); ++i) CHECK(!reaches(step(limit, i)), threshold, limit, i);
    int below = 0;
    while (!reaches(step(limit, -below))) ++below;
    CHECK(below <= mtcnn::kLogitBand, threshold, limit, below);
}

}  // namespace

int main() {
    for (float (*exp)(float) : {mtcnn::exp_opencv, mtcnn::exp_glibc}) {
        test::run("ends", [&] {
            CHECK(same_bits(exp(kInfinity), kInfinity));
            CHECK(same_bits(exp(-kInfinity), 0.0F));
            CHECK(std::isnan(exp(test::kNaN)));
            CHECK(same_bits(exp(0.0F), 1.0F));
            CHECK(same_bits(exp(-0.0F), 1.0F));
            CHECK(same_bits(exp(FLT_MAX), kInfinity));
            CHECK(same_bits(exp(-FLT_MAX), 0.0F));
            CHECK(same_bits(exp(FLT_TRUE_MIN), 1.0F));
        });
    }
    test::run("floats at which an unfused sum differs", [] {
        CHECK(same_bits(mtcnn::exp_glibc(0x1.04845ep+5F), 0x1.f93e38p+46F));
        CHECK(same_bits(mtcnn::exp_glibc(-0x1.f8cbb2p+5F), 0x1.f45326p-92F));
    });
    if (LDBL_MANT_DIG >= 64) {
        test::run("distance from the exact value", [] {
            for (std::uint32_t bits = 0x32000000; bits < 0x42ae0000; bits += 4099) {  // 2^-27 to 87
                for (const float v : {from_bits(bits), -from_bits(bits)}) {
                    CHECK(distance(mtcnn::exp_glibc(v), v) < 0.51, v);
                    if (v > -80) CHECK(distance(mtcnn::exp_opencv(v), v) < 66, v, distance(mtcnn::exp_opencv(v), v));
                }
            }
        });
    } else {
        std::cout << "SKIPPED distance from the exact value: long double has no more bits than double here\n";
    }
    test::run("probabilities", [] {
        test::Random random(4);
        for (int i = 0; i < 20000; ++i) {
            const float a = random.uniform(-60, 60);
            const float b = random.uniform(-60, 60);
            const float d = a - b;
            const auto wide = 1.0 / (1.0 + double{mtcnn::exp_glibc(d)});
            CHECK(same_bits(mtcnn::map_probability(a, b), 1.0F / (1.0F + mtcnn::exp_opencv(d))), a, b);
            CHECK(same_bits(mtcnn::crop_probability(a, b), static_cast<float>(wide)), a, b);
            CHECK(same_bits(mtcnn::sigmoid(a), 1.0F / (1.0F + mtcnn::exp_opencv(-a))), a);
        }
    });
    test::run("no difference above the limit reaches the threshold", [] {
        test::Random random(5);
        for (int i = 0; i < 20000; ++i) {
            const float p = mtcnn::map_probability(random.uniform(-20, 95), 0);
            for (const float threshold : {p, step(p, 1), step(p, -1)}) {
                if (threshold > 0 && threshold <= 1) check_limit(threshold);
            }
        }
        // These values violate the order with up to 41 floats before them.
        for (const float d : {0x1.bb9d7ap-6F, 0x1.e7f9e2p-5F, -0x1.a56eecp-4F, 0x1.aafa8ep-2F, -0x1.1acdd4p-2F}) {
            for (int i = -99; i < 99; ++i) check_limit(mtcnn::map_probability(step(d, i), 0));
        }
        for (const float threshold : {1.0F, 0x1.fffffep-1F, 0.5F, FLT_MIN, FLT_TRUE_MIN}) check_limit(threshold);
    });
    test::run("thresholds that all or none reach", [] {
        for (const float all : {0.0F, -0.0F, -1.0F, -kInfinity}) CHECK(mtcnn::logit_limit(all) == kInfinity, all);
        for (const float none : {step(1, 1), 2.0F, kInfinity, test::kNaN}) CHECK(std::isnan(mtcnn::logit_limit(none)));
    });
}
