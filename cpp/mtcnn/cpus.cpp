#include "cpus.h"

#include <algorithm>
#include <limits>
#include <thread>

#if defined(__linux__)
#include <sched.h>

#include <fstream>
#include <locale>
#include <memory>

#include "control_groups.h"
#endif

namespace mtcnn {
namespace {

#if defined(__linux__)

int allowed_cpus() {
    // The kernel refuses a mask that is too small for the machine.
    for (int size = CPU_SETSIZE; size <= 1 << 20; size *= 2) {
        const std::unique_ptr<cpu_set_t, void (*)(cpu_set_t*)> set(CPU_ALLOC(static_cast<std::size_t>(size)),
                                                                   [](cpu_set_t* allocated) { CPU_FREE(allocated); });
        const std::size_t bytes = CPU_ALLOC_SIZE(static_cast<std::size_t>(size));
        if (set == nullptr) break;
        if (sched_getaffinity(0, bytes, set.get()) == 0) return CPU_COUNT_S(bytes, set.get());
    }
    return static_cast<int>(std::thread::hardware_concurrency());
}

// CPUs that one control group allows; infinite if nothing limits them.
double quota_of(const std::string& group, bool version_2) {
    std::ifstream limit_file(group + (version_2 ? "/cpu.max" : "/cpu.cfs_quota_us"));
    std::ifstream period_file(version_2 ? std::string() : group + "/cpu.cfs_period_us");
    limit_file.imbue(std::locale::classic());
    period_file.imbue(std::locale::classic());
    double limit = 0;
    double period = 0;
    // Version 2 has "max" for no limit, version 1 has -1.
    if (!(limit_file >> limit) || !((version_2 ? limit_file : period_file) >> period) || limit <= 0 || period <= 0) {
        return std::numeric_limits<double>::infinity();
    }
    return limit / period;
}

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

}  // namespace mtcnn
