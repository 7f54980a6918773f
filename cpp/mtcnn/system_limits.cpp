#include "system_limits.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <locale>
#include <memory>
#include <sstream>
#include <system_error>
#include <thread>

#if defined(_WIN32)
#if !defined(NOMINMAX)
#define NOMINMAX
#endif
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#elif defined(__linux__)
#include <sched.h>
#endif

namespace mtcnn {
namespace {

[[maybe_unused]] constexpr std::int64_t kUnknown = std::numeric_limits<std::int64_t>::max();

#if !defined(_WIN32) && !defined(__APPLE__) && !defined(__EMSCRIPTEN__)

// Calls use(folder, version_2) for the control group of a controller ("cpu", "memory") that contains this process and
// for each of its ancestors. Version 2 has one tree for all controllers.
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
            // A tree of several controllers has all their names. Often each controller has a link to it.
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

// The number in a file that holds one number; kUnknown if there is no such file or no number in it.
std::int64_t number_in(const std::string& path) {
    std::ifstream file(path);
    file.imbue(std::locale::classic());
    std::int64_t number = 0;
    return file >> number ? number : kUnknown;
}

// The number after `key` at the beginning of a line; kUnknown if there is no such line.
std::int64_t number_after(const std::string& path, const std::string& key) {
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
        std::istringstream fields(line);
        fields.imbue(std::locale::classic());
        std::string first;
        std::int64_t number = 0;
        if (fields >> first >> number && first == key) return number;
    }
    return kUnknown;
}

// Free memory of one control group. Inactive pages of the file cache count as free: the kernel drops them first.
std::int64_t free_in_group(const std::string& group, bool version_2) {
    const std::int64_t limit = number_in(group + (version_2 ? "/memory.max" : "/memory.limit_in_bytes"));
    const std::int64_t used = number_in(group + (version_2 ? "/memory.current" : "/memory.usage_in_bytes"));
    if (limit == kUnknown || used == kUnknown) return kUnknown;
    const std::int64_t cached =
        number_after(group + "/memory.stat", version_2 ? "inactive_file" : "total_inactive_file");
    return std::max<std::int64_t>(0, limit - used + (cached == kUnknown ? 0 : cached));
}

// Smallest free memory among the control groups of this process and their ancestors.
std::int64_t free_in_groups(const std::string& root) {
    std::int64_t least = kUnknown;
    for_each_group(root, "memory", [&](const std::string& group, bool version_2) {
        least = std::min(least, free_in_group(group, version_2));
    });
    return least;
}

#endif

#if defined(__linux__)

int allowed_cpus() {
    // The kernel rejects a mask that is too small for the machine.
    for (int size = CPU_SETSIZE; size <= 1 << 20; size *= 2) {
        const std::unique_ptr<cpu_set_t, void (*)(cpu_set_t*)> set(CPU_ALLOC(static_cast<std::size_t>(size)),
                                                                   [](cpu_set_t* allocated) { CPU_FREE(allocated); });
        const std::size_t bytes = CPU_ALLOC_SIZE(static_cast<std::size_t>(size));
        if (set == nullptr) break;
        if (sched_getaffinity(0, bytes, set.get()) == 0) return CPU_COUNT_S(bytes, set.get());
    }
    return static_cast<int>(std::thread::hardware_concurrency());
}

// CPU quota of one control group; infinite if it has no limit.
double quota_of(const std::string& group, bool version_2) {
    std::ifstream limit_file(group + (version_2 ? "/cpu.max" : "/cpu.cfs_quota_us"));
    std::ifstream period_file(version_2 ? std::string() : group + "/cpu.cfs_period_us");
    limit_file.imbue(std::locale::classic());
    period_file.imbue(std::locale::classic());
    double limit = 0;
    double period = 0;
    // No limit is "max" in version 2 and -1 in version 1.
    if (!(limit_file >> limit) || !((version_2 ? limit_file : period_file) >> period) || limit <= 0 || period <= 0) {
        return std::numeric_limits<double>::infinity();
    }
    return limit / period;
}

#elif defined(__EMSCRIPTEN__)

int allowed_cpus() { return 1; }  // the module has no threads

#else

int allowed_cpus() { return static_cast<int>(std::thread::hardware_concurrency()); }

#endif

}  // namespace

int usable_cpus([[maybe_unused]] const std::string& root) {
    double count = allowed_cpus();
#if defined(__linux__)
    for_each_group(root, "cpu", [&](const std::string& group, bool version_2) {
        count = std::min(count, quota_of(group, version_2));
    });
#endif
    return std::max(1, static_cast<int>(count));
}

std::int64_t free_memory([[maybe_unused]] const std::string& root) {
#if defined(_WIN32)
    MEMORYSTATUSEX status{};
    status.dwLength = sizeof status;
    return GlobalMemoryStatusEx(&status) ? static_cast<std::int64_t>(status.ullAvailPhys) : kUnknown;
#elif defined(__APPLE__)
    // All memory: the system does not report the reclaimable part.
    std::int64_t bytes = 0;
    std::size_t size = sizeof bytes;
    return sysctlbyname("hw.memsize", &bytes, &size, nullptr, 0) == 0 ? bytes : kUnknown;
#elif defined(__EMSCRIPTEN__)
    return std::int64_t{1} << 31;  // the largest memory of the module; new throws std::bad_alloc if it cannot grow
#else
    const std::int64_t available = number_after(root + "/proc/meminfo", "MemAvailable:");
    return std::min(available == kUnknown ? kUnknown : available * 1024, free_in_groups(root));
#endif
}

}  // namespace mtcnn
