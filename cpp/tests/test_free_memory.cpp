// What the machine and its control groups leave, read from files that stand for the system's.
#include <limits>

#include "check.h"
#include "mtcnn/memory.h"
#include "mtcnn/text.h"
#include "root.h"

namespace {

constexpr std::int64_t kUnknown = std::numeric_limits<std::int64_t>::max();

std::int64_t free_in(const test::Root& root) { return mtcnn::free_memory(root.path()); }

}  // namespace

int main() {
    test::run("this machine has some", [] { CHECK(mtcnn::free_memory() > (1 << 20)); });
#if !defined(_WIN32) && !defined(__APPLE__)
    test::run("of the machine", [] {
        test::Root root("memory_machine");
        CHECK(free_in(root) == kUnknown);
        root.with("proc/meminfo", "MemTotal:  100 kB\nMemAvailable:   5000 kB\n");
        CHECK(free_in(root) == 5000 * 1024);
    });
    test::run("of control groups, version 2", [] {
        test::Root root("memory_version_2");
        root.with("proc/meminfo", "MemAvailable:   5000 kB\n").with("proc/self/cgroup", "0::/a/b\n");
        CHECK(free_in(root) == 5000 * 1024);
        root.with("sys/fs/cgroup/a/b/memory.max", "max\n").with("sys/fs/cgroup/a/b/memory.current", "1000\n");
        CHECK(free_in(root) == 5000 * 1024);
        root.with("sys/fs/cgroup/a/b/memory.max", "4000000\n");
        CHECK(free_in(root) == 3999000);
        root.with("sys/fs/cgroup/a/b/memory.stat", "anon 5\ninactive_file 300\nactive_file 7\n");
        CHECK(free_in(root) == 3999300);
        // The group above, and the one at the top.
        root.with("sys/fs/cgroup/a/memory.max", "3000000\n").with("sys/fs/cgroup/a/memory.current", "10\n");
        CHECK(free_in(root) == 2999990);
        root.with("sys/fs/cgroup/memory.max", "20\n").with("sys/fs/cgroup/memory.current", "30\n");
        CHECK(free_in(root) == 0);
    });
    test::run("of control groups, version 1", [] {
        test::Root root("memory_version_1");
        root.with("proc/self/cgroup", "9:name=systemd:/\n4:cpu,memory:/a\n3:cpu:/b\nnonsense\n");
        const std::string group = "sys/fs/cgroup/memory/a/memory.";
        root.with(group + "limit_in_bytes", "9000\n").with(group + "usage_in_bytes", "500\n");
        CHECK(free_in(root) == 8500);
        root.with(group + "stat", "inactive_file 1\ntotal_inactive_file 20\n");
        CHECK(free_in(root) == 8520);
    });
#endif
    test::run("bytes in words", [] {
        CHECK(mtcnn::bytes_text(0) == "0.0 kB");
        CHECK(mtcnn::bytes_text(1540) == "1.5 kB");
        CHECK(mtcnn::bytes_text(999949) == "999.9 kB");
        CHECK(mtcnn::bytes_text(999950) == "1.0 MB");
        CHECK(mtcnn::bytes_text(92.34e9) == "92.3 GB");
        CHECK(mtcnn::bytes_text(5e21) == "5000.0 EB");
    });
}
