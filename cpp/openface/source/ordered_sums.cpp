// Matrix products with ordered sums in place of a BLAS: one accumulator per output, the inner dimension from the first
// to the last element. The result does not depend on the CPU and equals the result of this package.
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#if defined(__x86_64__) && defined(__GNUC__)
#define WITH_FMA_INSTRUCTIONS __attribute__((target("avx2,fma")))
#endif

namespace {

// a: rows x inner, b: inner x columns, c: rows x columns, in column-major order. The sums of one column are
// independent.
__attribute__((always_inline)) inline void multiply(int rows, int columns, int inner, const float* a,
                                                    std::ptrdiff_t stride_a, const float* b, std::ptrdiff_t stride_b,
                                                    float* c, std::ptrdiff_t stride_c) {
    std::vector<float> sums(static_cast<std::size_t>(rows));
    float* const sum = sums.data();
    for (int column = 0; column < columns; ++column) {
        for (int row = 0; row < rows; ++row) sum[row] = 0;
        for (int i = 0; i < inner; ++i) {
            const float factor = b[i + column * stride_b];
            const float* const values = a + i * stride_a;
            for (int row = 0; row < rows; ++row) sum[row] = std::fma(values[row], factor, sum[row]);
        }
        for (int row = 0; row < rows; ++row) c[row + column * stride_c] = sum[row];
    }
}

#ifdef WITH_FMA_INSTRUCTIONS
// The instructions do not change the bits. Without them std::fma is a call of the C library.
WITH_FMA_INSTRUCTIONS void multiply_fast(int rows, int columns, int inner, const float* a, std::ptrdiff_t stride_a,
                                         const float* b, std::ptrdiff_t stride_b, float* c, std::ptrdiff_t stride_c) {
    multiply(rows, columns, inner, a, stride_a, b, stride_b, c, stride_c);
}
#endif

bool is_transposed(char letter) { return letter != 'N' && letter != 'n'; }

}  // namespace

// Fortran name and column-major order. OpenFace's convolutions call it without transposes, with alpha 1 and beta 0.
extern "C" void sgemm_(char* transpose_a, char* transpose_b, int* rows, int* columns, int* inner, float* alpha,
                       float* a, int* stride_a, float* b, int* stride_b, float* beta, float* c, int* stride_c) {
    if (is_transposed(*transpose_a) || is_transposed(*transpose_b) || *alpha != 1 || *beta != 0) {
        throw std::runtime_error(
            "sgemm_ with ordered sums: expected no transposes, alpha 1 and beta 0, found " +
            std::string{*transpose_a, *transpose_b} + ", " + std::to_string(*alpha) + ", " + std::to_string(*beta) +
            "; this OpenFace calls it in another way; build with -C cmake.define.MTCNN_CPP_OPENFACE_SUMS=blas");
    }
#ifdef WITH_FMA_INSTRUCTIONS
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        multiply_fast(*rows, *columns, *inner, a, *stride_a, b, *stride_b, c, *stride_c);
        return;
    }
#endif
    multiply(*rows, *columns, *inner, a, *stride_a, b, *stride_b, c, *stride_c);
}

extern "C" void openblas_set_num_threads(int) {}

// An OpenCV that was built with LAPACK calls the function of this name for large products. This definition is exported
// and the loader finds it first. Products and sums are in double, in order, and rounded once. 101: row-major; 111: not
// transposed.
extern "C" __attribute__((visibility("default"))) void cblas_sgemm(int order, int transpose_a, int transpose_b,
                                                                   int rows, int columns, int inner, float alpha,
                                                                   const float* a, int stride_a, const float* b,
                                                                   int stride_b, float beta, float* c, int stride_c) {
    const bool by_rows = order == 101;
    const auto step = [&](int stride, bool along_rows) { return along_rows == by_rows ? stride : 1; };
    const std::ptrdiff_t a_row = step(stride_a, transpose_a == 111), a_inner = step(stride_a, transpose_a != 111);
    const std::ptrdiff_t b_inner = step(stride_b, transpose_b == 111), b_column = step(stride_b, transpose_b != 111);
    const std::ptrdiff_t c_row = step(stride_c, true), c_column = step(stride_c, false);
    std::vector<double> sums(static_cast<std::size_t>(columns));
    for (int row = 0; row < rows; ++row) {
        sums.assign(sums.size(), 0.0);
        for (int i = 0; i < inner; ++i) {
            const double factor = a[row * a_row + i * a_inner];
            const float* const values = b + i * b_inner;
            for (int column = 0; column < columns; ++column) {
                sums[static_cast<std::size_t>(column)] += factor * double{values[column * b_column]};
            }
        }
        for (int column = 0; column < columns; ++column) {
            float& result = c[row * c_row + column * c_column];
            const double product = double{alpha} * sums[static_cast<std::size_t>(column)];
            result = static_cast<float>(beta == 0 ? product : product + double{beta} * double{result});
        }
    }
}
