// Constants of the .dat format.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace mtcnn {

static_assert(std::endian::native == std::endian::little,
              "the .dat files are little endian and are copied as they are");

inline constexpr std::int64_t kSizeLimit = std::int64_t{1} << 30;  // maximum bytes of one array in a file
inline constexpr std::int32_t kFloat32 = 5;
inline constexpr std::int32_t kFloat64 = 6;
// Names of the five kinds of layers, in the order of their numbers in a file and of the alternatives of Layer.
inline constexpr std::array<const char*, 5> kKinds = {"conv", "pool", "fc", "prelu", "sigmoid"};

}  // namespace mtcnn
