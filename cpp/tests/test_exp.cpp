// exp against the library's in long double, on samples of all floats. (tests/test_rooms.py --slow tries every float.)
#include "mtcnn/exp.h"

#include <cfloat>
#include <cmath>

#include "check.h"
#include "numbers.h"

namespace {

using test::same_bits;

void check(float v) { CHECK(same_bits(mtcnn::exp(v), static_cast<float>(std::exp(static_cast<long double>(v)))), v); }

float from_bits(std::uint32_t bits) { return std::bit_cast<float>(bits); }

}  // namespace

int main() {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    test::run("ends", [&] {
        CHECK(same_bits(mtcnn::exp(kInfinity), kInfinity));
        CHECK(same_bits(mtcnn::exp(-kInfinity), 0.0F));
        CHECK(std::isnan(mtcnn::exp(test::kNaN)));
        CHECK(same_bits(mtcnn::exp(0.0F), 1.0F));
        CHECK(same_bits(mtcnn::exp(-0.0F), 1.0F));
        CHECK(same_bits(mtcnn::exp(FLT_MAX), kInfinity));
        CHECK(same_bits(mtcnn::exp(-FLT_MAX), 0.0F));
        CHECK(same_bits(mtcnn::exp(FLT_TRUE_MIN), 1.0F));
    });
    // exp of a float is never nearer than 2^-53 of its value to half way between two floats.
    if (LDBL_MANT_DIG >= 64) {
        test::run("samples", [] {
            for (std::uint64_t bits = 0; bits < 0x7f800000; bits += 4099) {
                check(from_bits(static_cast<std::uint32_t>(bits)));
                check(from_bits(static_cast<std::uint32_t>(bits | 0x80000000)));
            }
        });
        test::run("nearest to half way between two floats, of all floats", [] {
            for (const float v : {-0x1.d2259ap+3F, -0x1.e1dbe2p-8F, -0x1.c1c4b8p-10F, 0x1.fdff02p-17F, 0x1.62b646p+1F,
                                  0x1.036492p+1F}) {
                check(v);
            }
        });
        test::run("borders of infinite, subnormal, 0 and 1", [] {
            for (const float place : {88.72284F, -87.33655F, -103.97208F, -103.27893F, 0x1p-24F, -0x1p-25F}) {
                for (std::uint32_t step = 0; step < 2000; ++step) {
                    check(from_bits(std::bit_cast<std::uint32_t>(place) + step - 1000));
                }
            }
        });
    } else {
        std::cout << "SKIPPED samples: long double has no more bits than double here\n";
    }
    test::run("probabilities", [] {
        test::Random random(4);
        for (int i = 0; i < 20000; ++i) {
            const float a = random.uniform(-60, 60);
            const float b = random.uniform(-60, 60);
            const float e = mtcnn::exp(a - b);
            CHECK(same_bits(mtcnn::probability(a, b), 1.0F / (1.0F + e)), a, b);
            CHECK(same_bits(mtcnn::probability_in_double(a, b), static_cast<float>(1.0 / (1.0 + double{e}))), a, b);
            CHECK(same_bits(mtcnn::sigmoid(a), 1.0F / (1.0F + mtcnn::exp(-a))), a);
        }
    });
}
