// The C++ implementation of reference/exp.py with the same operations. That file has the sources of the constants.
#include "exp.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "bit_cast.h"

namespace mtcnn {
namespace {

constexpr double kLog2E = 1.4426950408889634;

// exp_opencv
constexpr double kA0 = 0.9670371139572337719125840413672004409288e-2;
constexpr auto kLimit = static_cast<float>(3000 / kLog2E);
constexpr auto kOpencvScale = static_cast<float>(64 * kLog2E);
constexpr auto kA1 = static_cast<float>(0.05550339366753125211915322047004666939128 / kA0);
constexpr auto kA2 = static_cast<float>(0.2402265109513301490103372422686535526573 / kA0);
constexpr auto kA3 = static_cast<float>(0.6931471805521448196800669615864774 / kA0);
constexpr auto kA4 = static_cast<float>(1.000000000000002438532970795181890933776 / kA0);
// 2^(i / 64) * kA0, rounded to float.
constexpr std::array<float, 64> kOpencvPowers = {
    0x1.3ce0f4p-7F, 0x1.40544ep-7F, 0x1.43d146p-7F, 0x1.4757f6p-7F, 0x1.4ae87cp-7F, 0x1.4e82f2p-7F, 0x1.522772p-7F,
    0x1.55d61ap-7F, 0x1.598f06p-7F, 0x1.5d5254p-7F, 0x1.61201ep-7F, 0x1.64f882p-7F, 0x1.68db9ep-7F, 0x1.6cc992p-7F,
    0x1.70c278p-7F, 0x1.74c672p-7F, 0x1.78d59ep-7F, 0x1.7cf01ap-7F, 0x1.811606p-7F, 0x1.854782p-7F, 0x1.8984bp-7F,
    0x1.8dcdaep-7F, 0x1.9222ap-7F,  0x1.9683a4p-7F, 0x1.9af0dcp-7F, 0x1.9f6a6cp-7F, 0x1.a3f076p-7F, 0x1.a8831cp-7F,
    0x1.ad228p-7F,  0x1.b1cec8p-7F, 0x1.b68816p-7F, 0x1.bb4e9p-7F,  0x1.c0225ap-7F, 0x1.c50398p-7F, 0x1.c9f272p-7F,
    0x1.ceef0cp-7F, 0x1.d3f98cp-7F, 0x1.d91218p-7F, 0x1.de38dcp-7F, 0x1.e36dfap-7F, 0x1.e8b19cp-7F, 0x1.ee03ecp-7F,
    0x1.f36512p-7F, 0x1.f8d536p-7F, 0x1.fe5482p-7F, 0x1.01f192p-6F, 0x1.04c0ap-6F,  0x1.079784p-6F, 0x1.0a7652p-6F,
    0x1.0d5d2p-6F,  0x1.104c04p-6F, 0x1.134316p-6F, 0x1.16426cp-6F, 0x1.194a1ep-6F, 0x1.1c5a42p-6F, 0x1.1f72eep-6F,
    0x1.22943ep-6F, 0x1.25be46p-6F, 0x1.28f122p-6F, 0x1.2c2ce8p-6F, 0x1.2f71bp-6F,  0x1.32bf96p-6F, 0x1.3616b2p-6F,
    0x1.39771ep-6F,
};

// exp_glibc
constexpr double kGlibcScale = 0x1.71547652b82fep+5;  // 32 / ln 2
constexpr double kC0 = 0x1.c6af84b912394p-20;
constexpr double kC1 = 0x1.ebfce50fac4f3p-13;
constexpr double kC2 = 0x1.62e42ff0c52d6p-6;
// 2^(i / 32), rounded to double.
constexpr std::array<double, 32> kGlibcPowers = {
    0x1.0p+0,
    0x1.059b0d3158574p+0,
    0x1.0b5586cf9890fp+0,
    0x1.11301d0125b51p+0,
    0x1.172b83c7d517bp+0,
    0x1.1d4873168b9aap+0,
    0x1.2387a6e756238p+0,
    0x1.29e9df51fdee1p+0,
    0x1.306fe0a31b715p+0,
    0x1.371a7373aa9cbp+0,
    0x1.3dea64c123422p+0,
    0x1.44e086061892dp+0,
    0x1.4bfdad5362a27p+0,
    0x1.5342b569d4f82p+0,
    0x1.5ab07dd485429p+0,
    0x1.6247eb03a5585p+0,
    0x1.6a09e667f3bcdp+0,
    0x1.71f75e8ec5f74p+0,
    0x1.7a11473eb0187p+0,
    0x1.82589994cce13p+0,
    0x1.8ace5422aa0dbp+0,
    0x1.93737b0cdc5e5p+0,
    0x1.9c49182a3f09p+0,
    0x1.a5503b23e255dp+0,
    0x1.ae89f995ad3adp+0,
    0x1.b7f76f2fb5e47p+0,
    0x1.c199bdd85529cp+0,
    0x1.cb720dcef9069p+0,
    0x1.d5818dcfba487p+0,
    0x1.dfc97337b9b5fp+0,
    0x1.ea4afa2a490dap+0,
    0x1.f50765b6e454p+0,
};

}  // namespace

float exp_opencv(float value) {
    if (std::isnan(value)) return value;
    const float scaled = std::clamp(value, -kLimit, kLimit) * kOpencvScale;
    const float whole = std::nearbyint(scaled);
    const auto i = static_cast<std::int32_t>(whole);
    const float z = (scaled - whole) * (1.0F / 64);
    // 2^floor(i / 64); 0 or infinity out of range.
    const std::int32_t exponent = std::clamp((i >> 6) + 127, 0, 255);
    const float y = kOpencvPowers[static_cast<std::size_t>(i & 63)] * bit_cast<float>(exponent << 23);
    const float p = std::fma(std::fma(std::fma(z + kA1, z, kA2), z, kA3), z, kA4);
    return p * y;
}

float exp_glibc(float value) {
    if (std::isnan(value)) return value;
    // Outside this range the result is 0 or infinity.
    const double x = std::clamp(static_cast<double>(value), -110.0, 100.0);
    const double k = std::nearbyint(kGlibcScale * x);
    const double r = std::fma(kGlibcScale, x, -k);
    const auto i = static_cast<std::int64_t>(k);
    // Multiply the power by 2^floor(k / 32): add to its exponent.
    const auto bits = bit_cast<std::int64_t>(kGlibcPowers[static_cast<std::size_t>(i & 31)]) + ((i >> 5) << 52);
    const auto s = bit_cast<double>(bits);
    const double y = std::fma(std::fma(kC0, r, kC1), r * r, std::fma(kC2, r, 1.0));
    return static_cast<float>(y * s);
}

}  // namespace mtcnn
