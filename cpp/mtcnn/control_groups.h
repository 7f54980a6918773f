// The Linux control groups that this process is in.
#pragma once

#include <functional>
#include <string>

namespace mtcnn {

// Calls use(folder, version_2) for the group of a controller ("cpu", "memory") that this process is in and for each
// group above it, up to the top; version 2 has one tree for all controllers. Nothing where there are no groups.
// root: what stands for "/" in tests.
void for_each_group(const std::string& root, const std::string& controller,
                    const std::function<void(const std::string& folder, bool version_2)>& use);

}  // namespace mtcnn
