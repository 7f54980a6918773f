// CPUs that the affinity and the control groups leave, read from files that stand for the system's.
#include "mtcnn/cpus.h"

#include <algorithm>

#if defined(__linux__)
#include <sched.h>
#endif

#include "check.h"
#include "root.h"

int main() {
    test::run("this process has some", [] { CHECK(mtcnn::usable_cpus() >= 1); });
#if defined(__linux__)
    const test::Root none("cpus_none");
    const int allowed = mtcnn::usable_cpus(none.path());
    const auto limited_to = [&](const test::Root& root, int cpus) {
        CHECK(mtcnn::usable_cpus(root.path()) == std::min(cpus, allowed), mtcnn::usable_cpus(root.path()), cpus);
    };
    test::run("of control groups, version 2", [&] {
        test::Root root("cpus_version_2");
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
    test::run("of control groups, version 1", [&] {
        test::Root root("cpus_version_1");
        root.with("proc/self/cgroup", "4:memory:/c\n3:cpu,cpuacct:/c\nnonsense\n0::/\n");
        const std::string group = "sys/fs/cgroup/cpu,cpuacct/c/cpu.cfs_";
        root.with(group + "period_us", "100000\n").with(group + "quota_us", "-1\n");
        limited_to(root, allowed);
        root.with(group + "quota_us", "100000\n");
        limited_to(root, 1);
        // Under the controller's own name.
        test::Root other("cpus_version_1_own_name");
        other.with("proc/self/cgroup", "1:cpu:/\n0::/\n");
        other.with("sys/fs/cgroup/cpu/cpu.cfs_period_us", "50000\n");
        other.with("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "60000\n");
        limited_to(other, 1);
    });
    test::run("of the affinity", [&] {
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
}
