#include "control_groups.h"

#include <filesystem>
#include <fstream>
#include <system_error>

namespace mtcnn {

void for_each_group(const std::string& root, const std::string& controller,
                    const std::function<void(const std::string& folder, bool version_2)>& use) {
    std::ifstream file(root + "/proc/self/cgroup");
    for (std::string line; std::getline(file, line);) {
        // number:controllers:/path, without controllers in version 2
        const std::size_t first = line.find(':');
        const std::size_t second = line.find(':', first + 1);
        if (first == std::string::npos || second == std::string::npos) continue;
        const std::string controllers = line.substr(first + 1, second - first - 1);
        const bool version_2 = controllers.empty();
        if (!version_2 && ("," + controllers + ",").find("," + controller + ",") == std::string::npos) continue;
        std::string top = root + "/sys/fs/cgroup";
        if (!version_2) {
            // A tree of several controllers has all their names, and often a link with the name of each.
            std::error_code none;
            const bool joint = std::filesystem::is_directory(top + "/" + controllers, none);
            top += "/" + (joint ? controllers : controller);
        }
        for (std::string group = line.substr(second + 1);; group.resize(group.rfind('/'))) {
            while (!group.empty() && group.back() == '/') group.pop_back();
            use(top + group, version_2);
            if (group.find('/') == std::string::npos) break;
        }
    }
}

}  // namespace mtcnn
