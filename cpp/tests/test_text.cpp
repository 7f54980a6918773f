// Numbers in messages: shortest, and the same in every locale.
#include "mtcnn/text.h"

#include <cfloat>
#include <cstdlib>
#include <locale>

#include "check.h"
#include "numbers.h"

namespace {

// Uses a decimal comma and points between thousands for every stream.
struct German : std::numpunct<char> {
    char do_decimal_point() const override { return ','; }
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\3"; }
};

void check_texts() {
    using mtcnn::number_text;
    CHECK(number_text(0.5) == "0.5", number_text(0.5));
    CHECK(number_text(60.0) == "60.0");
    CHECK(number_text(-60.25) == "-60.25");
    CHECK(number_text(0.0) == "0.0");
    CHECK(number_text(-0.0) == "-0.0");
    CHECK(number_text(0.1 + 0.2) == "0.30000000000000004");
    CHECK(number_text(1.1F) == "1.1");
    CHECK(number_text(16777216.0F) == "16777216.0");
    CHECK(number_text(0.0001) == "0.0001");
    CHECK(number_text(0.00012345) == "0.00012345");
    CHECK(number_text(0.00001) == "1e-05");
    CHECK(number_text(-1.5e-7) == "-1.5e-07");
    CHECK(number_text(1234567890123456.0) == "1234567890123456.0");
    CHECK(number_text(1e16) == "1e+16");
    CHECK(number_text(1.25e300) == "1.25e+300");
    CHECK(number_text(DBL_MAX) == "1.7976931348623157e+308");
    CHECK(number_text(5e-324) == "5e-324");
    CHECK(number_text(double{test::kNaN}) == "nan");
    CHECK(number_text(double{std::numeric_limits<float>::infinity()}) == "inf");
    CHECK(number_text(-std::numeric_limits<float>::infinity()) == "-inf");
}

}  // namespace

int main() {
    test::run("in Python's format", check_texts);
    test::run("parse to the same number", [] {
        test::Random random(8);
        for (int i = 0; i < 2000; ++i) {
            const float number = random.number(test::Fill::kWild);
            CHECK(test::same_bits(std::strtof(mtcnn::number_text(number).c_str(), nullptr), number), number);
            const double wide = std::ldexp(0.1 + static_cast<double>(random.uniform()), random.integer(-300, 300));
            CHECK(std::strtod(mtcnn::number_text(wide).c_str(), nullptr) == wide, wide);
        }
    });
    test::run("in another locale", [] {
        const std::locale before = std::locale::global(std::locale(std::locale(), new German));
        check_texts();
        CHECK(mtcnn::bytes_text(1234.5e18) == "1234.5 EB");
        std::locale::global(before);
    });
    test::run("bytes with a unit", [] {
        CHECK(mtcnn::bytes_text(0) == "0.0 kB");
        CHECK(mtcnn::bytes_text(1540) == "1.5 kB");
        CHECK(mtcnn::bytes_text(999949) == "999.9 kB");
        CHECK(mtcnn::bytes_text(999950) == "1.0 MB");
        CHECK(mtcnn::bytes_text(92.34e9) == "92.3 GB");
        CHECK(mtcnn::bytes_text(5e21) == "5000.0 EB");
    });
}
