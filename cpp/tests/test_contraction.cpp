// Code that includes the headers of the core gets the same options: a product and a sum are two roundings, not one.
#include <cmath>
#include <iostream>

#include "check.h"
#include "mtcnn/kernels/kernels.h"
#include "multiply_add.h"

int main() {
#if MTCNN_X86_64
    if (!mtcnn::cpu_has(mtcnn::kernels_avx2.features)) {
        std::cout << "SKIPPED: this processor has no fused multiply-add\n";
        return 0;
    }
#endif
    test::run("product and sum are rounded separately", [] {
        // (1 + e)^2 = 1 + 2e + e^2: the last term is lost if the product is rounded.
        const float e = std::ldexp(1.0F, -20);
        CHECK(test::multiply_add(1 + e, 1 + e, -1 - 2 * e) == 0);
        CHECK(std::fma(1 + e, 1 + e, -1 - 2 * e) != 0, "these numbers show nothing");
        const double d = std::ldexp(1.0, -40);
        CHECK(test::multiply_add(1 + d, 1 + d, -1 - 2 * d) == 0);
        CHECK(std::fma(1 + d, 1 + d, -1 - 2 * d) != 0, "these numbers show nothing");
    });
}
