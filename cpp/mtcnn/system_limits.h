// CPUs and memory that this process may use. On Linux this includes the limits of control groups.
#pragma once

#include <cstdint>
#include <string>

namespace mtcnn {

// Number of CPUs in the affinity mask of this process, or the CPU quota of its control groups (version 1 or 2) if that
// is smaller, rounded down; at least 1. root: replaces "/" in tests.
int usable_cpus(const std::string& root = "");

// Bytes that this process can allocate before the machine or one of its control groups runs out of memory. The largest
// std::int64_t if unknown. root: replaces "/" in tests.
std::int64_t free_memory(const std::string& root = "");

}  // namespace mtcnn
