// How many CPUs this process may use.
#pragma once

#include <string>

namespace mtcnn {

// The CPUs in this process's affinity mask, or fewer if the quota of a control group (version 1 or 2) allows less,
// rounded down; at least 1. root: what stands for "/" in tests.
int usable_cpus(const std::string& root = "");

}  // namespace mtcnn
