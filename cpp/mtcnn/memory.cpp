#include "memory.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <locale>
#include <sstream>

#include "control_groups.h"
#include "text.h"

#if defined(_WIN32)
#if !defined(NOMINMAX)
#define NOMINMAX
#endif
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace mtcnn {
namespace {

constexpr std::int64_t kUnknown = std::numeric_limits<std::int64_t>::max();
// Less than this is never refused where no limit was named.
constexpr std::int64_t kSmall = std::int64_t{256} << 20;

#if !defined(_WIN32) && !defined(__APPLE__)

// The number in a file that holds one number; unknown where there is no such file or another word.
std::int64_t number_in(const std::string& path) {
    std::ifstream file(path);
    file.imbue(std::locale::classic());
    std::int64_t number = 0;
    return file >> number ? number : kUnknown;
}

// The number after a word at the beginning of a line; unknown where there is none.
std::int64_t number_after(const std::string& path, const std::string& word) {
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
        std::istringstream words(line);
        words.imbue(std::locale::classic());
        std::string first;
        std::int64_t number = 0;
        if (words >> first >> number && first == word) return number;
    }
    return kUnknown;
}

// What one control group leaves. Pages of files that were not used of late count as free: they are given up first.
std::int64_t free_in_group(const std::string& group, bool version_2) {
    const std::int64_t limit = number_in(group + (version_2 ? "/memory.max" : "/memory.limit_in_bytes"));
    const std::int64_t used = number_in(group + (version_2 ? "/memory.current" : "/memory.usage_in_bytes"));
    if (limit == kUnknown || used == kUnknown) return kUnknown;
    const std::int64_t cached =
        number_after(group + "/memory.stat", version_2 ? "inactive_file" : "total_inactive_file");
    return std::max<std::int64_t>(0, limit - used + (cached == kUnknown ? 0 : cached));
}

// The least that the control groups of this process, and the groups above them, leave.
std::int64_t free_in_groups(const std::string& root) {
    std::int64_t least = kUnknown;
    for_each_group(root, "memory", [&](const std::string& group, bool version_2) {
        least = std::min(least, free_in_group(group, version_2));
    });
    return least;
}

#endif

}  // namespace

std::int64_t free_memory([[maybe_unused]] const std::string& root) {
#if defined(_WIN32)
    MEMORYSTATUSEX status{};
    status.dwLength = sizeof status;
    return GlobalMemoryStatusEx(&status) ? static_cast<std::int64_t>(status.ullAvailPhys) : kUnknown;
#elif defined(__APPLE__)
    // All of it: the system does not tell what it would give up.
    std::int64_t bytes = 0;
    std::size_t size = sizeof bytes;
    return sysctlbyname("hw.memsize", &bytes, &size, nullptr, 0) == 0 ? bytes : kUnknown;
#else
    const std::int64_t available = number_after(root + "/proc/meminfo", "MemAvailable:");
    return std::min(available == kUnknown ? kUnknown : available * 1024, free_in_groups(root));
#endif
}

std::int64_t Budget::limit() {
    if (given_ > 0) return given_;
    std::call_once(asked_, [this] { free_ = std::max(free_memory(), kSmall); });
    return free_;
}

void Budget::check_total(double total) {
    if (given_ == 0 && total <= static_cast<double>(kSmall)) return;
    const auto most = static_cast<double>(limit());
    if (total <= most) return;
    throw MemoryLimit("these options need " + bytes_text(total) + " of memory or more, the limit is " +
                      bytes_text(most) + ": choose a larger min_face or larger thresholds, or raise memory_limit");
}

}  // namespace mtcnn
