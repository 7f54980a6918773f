// Usable CPUs and free memory, read from files of a fake system.
#include "mtcnn/system_limits.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>

#if defined(__linux__)
#include <sched.h>
#endif

#include "check.h"

namespace {

// A temporary folder that replaces "/". The destructor removes it.
class FakeRoot {
public:
    explicit FakeRoot(const std::string& name)
        : path_(std::filesystem::temp_directory_path() / ("mtcnn_test_" + name)) {
        std::filesystem::remove_all(path_);
    }
    ~FakeRoot() { std::filesystem::remove_all(path_); }
    FakeRoot(const FakeRoot&) = delete;
    FakeRoot& operator=(const FakeRoot&) = delete;

    FakeRoot& with(const std::string& file, const std::string& text) {
        std::filesystem::create_directories((path_ / file).parent_path());
        std::ofstream(path_ / file) << text;
        return *this;
    }
    std::string path() const { return path_.string(); }

private:
    std::filesystem::path path_;
};

constexpr std::int64_t kUnknown = std::numeric_limits<std::int64_t>::max();

std::int64_t free_in(const FakeRoot& root) { return mtcnn::free_memory(root.path()); }

}  // namespace

int main() {
    test::run("this process has at least one CPU", [] { CHECK(mtcnn::usable_cpus() >= 1); });
#if defined(__linux__)
    const FakeRoot none("cpus_none");
    const int allowed = mtcnn::usable_cpus(none.path());
    const auto limited_to = [&](const FakeRoot& root, int cpus) {
        CHECK(mtcnn::usable_cpus(root.path()) == std::min(cpus, allowed), mtcnn::usable_cpus(root.path()), cpus);
    };
    test::run("CPUs of control groups, version 2", [&] {
        FakeRoot root("cpus_version_2");
        root.with("proc/self/cgroup", "0::/a/b\n");
        limited_to(root, allowed);
        root.with("sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
        limited_to(root, allowed);
        root.with("sys/fs/cgroup/a/cpu.max", "299999 100000\n");
        limited_to(root, 2);
        root.with("sys/fs/cgroup/a/b/cpu.max", "150000 100000\n");
        limited_to(root, 1);
        root.with("sys/fs/cgroup/cpu.max", "1000 100000\n");
        limited_to(root, 1);
        root.with("sys/fs/cgroup/cpu.max", "nonsense\n").with("sys/fs/cgroup/a/b/cpu.max", "0 0\n");
        limited_to(root, 2);
    });
    test::run("CPUs of control groups, version 1", [&] {
        FakeRoot root("cpus_version_1");
        root.with("proc/self/cgroup", "4:memory:/c\n3:cpu,cpuacct:/c\nnonsense\n0::/\n");
        const std::string group = "sys/fs/cgroup/cpu,cpuacct/c/cpu.cfs_";
        root.with(group + "period_us", "100000\n").with(group + "quota_us", "-1\n");
        limited_to(root, allowed);
        root.with(group + "quota_us", "100000\n");
        limited_to(root, 1);
        // The folder has the name of one controller only.
        FakeRoot other("cpus_version_1_own_name");
        other.with("proc/self/cgroup", "1:cpu:/\n0::/\n");
        other.with("sys/fs/cgroup/cpu/cpu.cfs_period_us", "50000\n");
        other.with("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "60000\n");
        limited_to(other, 1);
    });
    test::run("CPUs of the affinity mask", [&] {
        cpu_set_t before;
        CHECK(sched_getaffinity(0, sizeof before, &before) == 0);
        CHECK(allowed == CPU_COUNT(&before));
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(static_cast<unsigned>(sched_getcpu()), &one);
        CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
        CHECK(mtcnn::usable_cpus(none.path()) == 1);
        CHECK(sched_setaffinity(0, sizeof before, &before) == 0);
    });
#endif
    test::run("this machine has free memory", [] { CHECK(mtcnn::free_memory() > (1 << 20)); });
#if !defined(_WIN32) && !defined(__APPLE__)
    test::run("memory of the machine", [] {
        FakeRoot root("memory_machine");
        CHECK(free_in(root) == kUnknown);
        root.with("proc/meminfo", "MemTotal:  100 kB\nMemAvailable:   5000 kB\n");
        CHECK(free_in(root) == 5000 * 1024);
    });
    test::run("memory of control groups, version 2", [] {
        FakeRoot root("memory_version_2");
        root.with("proc/meminfo", "MemAvailable:   5000 kB\n").with("proc/self/cgroup", "0::/a/b\n");
        CHECK(free_in(root) == 5000 * 1024);
        root.with("sys/fs/cgroup/a/b/memory.max", "max\n").with("sys/fs/cgroup/a/b/memory.current", "1000\n");
        CHECK(free_in(root) == 5000 * 1024);
        root.with("sys/fs/cgroup/a/b/memory.max", "4000000\n");
        CHECK(free_in(root) == 3999000);
        root.with("sys/fs/cgroup/a/b/memory.stat", "anon 5\ninactive_file 300\nactive_file 7\n");
        CHECK(free_in(root) == 3999300);
        // The parent group and the root group.
        root.with("sys/fs/cgroup/a/memory.max", "3000000\n").with("sys/fs/cgroup/a/memory.current", "10\n");
        CHECK(free_in(root) == 2999990);
        root.with("sys/fs/cgroup/memory.max", "20\n").with("sys/fs/cgroup/memory.current", "30\n");
        CHECK(free_in(root) == 0);
    });
    test::run("memory of control groups, version 1", [] {
        FakeRoot root("memory_version_1");
        root.with("proc/self/cgroup", "9:name=systemd:/\n4:cpu,memory:/a\n3:cpu:/b\nnonsense\n");
        const std::string group = "sys/fs/cgroup/memory/a/memory.";
        root.with(group + "limit_in_bytes", "9000\n").with(group + "usage_in_bytes", "500\n");
        CHECK(free_in(root) == 8500);
        root.with(group + "stat", "inactive_file 1\ntotal_inactive_file 20\n");
        CHECK(free_in(root) == 8520);
    });
#endif
}
