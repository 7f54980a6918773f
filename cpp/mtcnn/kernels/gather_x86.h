// Loads of four and of eight bytes at several offsets: parts of the gather operations of AVX2 and AVX-512.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "unroll.h"

namespace {

// The gather instructions of the CPU are not used: fast implementations gain little, and those in microcode (AMD) are
// several times slower.
MTCNN_INLINE int load_four_bytes(const std::uint8_t* p) {
    int bytes = 0;
    std::memcpy(&bytes, p, sizeof bytes);
    return bytes;
}
MTCNN_INLINE __m128i gather_four(const std::uint8_t* base, const std::int32_t* offsets) {
    __m128i v = _mm_cvtsi32_si128(load_four_bytes(base + offsets[0]));
    v = _mm_insert_epi32(v, load_four_bytes(base + offsets[1]), 1);
    v = _mm_insert_epi32(v, load_four_bytes(base + offsets[2]), 2);
    return _mm_insert_epi32(v, load_four_bytes(base + offsets[3]), 3);
}
// Eight bytes at each of two offsets.
MTCNN_INLINE __m128d load_pair(const std::uint8_t* base, std::int32_t first, std::int32_t second) {
    double low = 0;
    double high = 0;
    std::memcpy(&low, base + first, sizeof low);
    std::memcpy(&high, base + second, sizeof high);
    return _mm_set_pd(high, low);
}

}  // namespace
