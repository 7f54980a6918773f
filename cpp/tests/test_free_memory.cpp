// What the machine and its control groups leave, read from files that stand for the system's.
#include <filesystem>
#include <fstream>
#include <limits>

#include "check.h"
#include "mtcnn/memory.h"
#include "mtcnn/text.h"

namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kUnknown = std::numeric_limits<std::int64_t>::max();

// A folder with files, gone at the end.
class Root {
public:
    explicit Root(const std::string& name) : path_(fs::temp_directory_path() / ("mtcnn_test_free_memory_" + name)) {
        fs::remove_all(path_);
    }
    ~Root() { fs::remove_all(path_); }
    Root(const Root&) = delete;
    Root& operator=(const Root&) = delete;

    Root& with(const std::string& file, const std::string& text) {
        fs::create_directories((path_ / file).parent_path());
        std::ofstream(path_ / file) << text;
        return *this;
    }
    std::int64_t free() const { return mtcnn::free_memory(path_.string()); }

private:
    fs::path path_;
};

}  // namespace

int main() {
    test::run("this machine has some", [] { CHECK(mtcnn::free_memory() > (1 << 20)); });
#if !defined(_WIN32) && !defined(__APPLE__)
    test::run("of the machine", [] {
        Root root("machine");
        CHECK(root.free() == kUnknown);
        root.with("proc/meminfo", "MemTotal:  100 kB\nMemAvailable:   5000 kB\n");
        CHECK(root.free() == 5000 * 1024);
    });
    test::run("of control groups, version 2", [] {
        Root root("version_2");
        root.with("proc/meminfo", "MemAvailable:   5000 kB\n").with("proc/self/cgroup", "0::/a/b\n");
        CHECK(root.free() == 5000 * 1024);
        root.with("sys/fs/cgroup/a/b/memory.max", "max\n").with("sys/fs/cgroup/a/b/memory.current", "1000\n");
        CHECK(root.free() == 5000 * 1024);
        root.with("sys/fs/cgroup/a/b/memory.max", "4000000\n");
        CHECK(root.free() == 3999000);
        root.with("sys/fs/cgroup/a/b/memory.stat", "anon 5\ninactive_file 300\nactive_file 7\n");
        CHECK(root.free() == 3999300);
        // The group above, and the one at the top.
        root.with("sys/fs/cgroup/a/memory.max", "3000000\n").with("sys/fs/cgroup/a/memory.current", "10\n");
        CHECK(root.free() == 2999990);
        root.with("sys/fs/cgroup/memory.max", "20\n").with("sys/fs/cgroup/memory.current", "30\n");
        CHECK(root.free() == 0);
    });
    test::run("of control groups, version 1", [] {
        Root root("version_1");
        root.with("proc/self/cgroup", "9:name=systemd:/\n4:cpu,memory:/a\n3:cpu:/b\nnonsense\n");
        const std::string group = "sys/fs/cgroup/memory/a/memory.";
        root.with(group + "limit_in_bytes", "9000\n").with(group + "usage_in_bytes", "500\n");
        CHECK(root.free() == 8500);
        root.with(group + "stat", "inactive_file 1\ntotal_inactive_file 20\n");
        CHECK(root.free() == 8520);
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
