// Constants of the .dat format.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace mtcnn {

static_assert(std::endian::native == std::endian::little,
              "the .dat files are little endian and are copied as they are");

inline constexpr std::int64_t kSizeLimit = std::int64_t{1} << 30;  // bytes that one array of a file may ask for
inline constexpr std::int32_t kFloat32 = 5;
inline constexpr std::int32_t kFloat64 = 6;
// The five kinds of a layer, in the order of their numbers in a file and of the variant's alternatives.
inline constexpr std::array<const char*, 5> kKinds = {"conv", "pool", "fc", "prelu", "sigmoid"};

}  // namespace mtcnn
