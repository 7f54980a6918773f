// The file in which the openface adapter captures the output of the original.
#include "openface/printed.h"

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>
#include <system_error>

#include "check.h"

namespace fs = std::filesystem;

namespace {

// Open files of this process in the folder, including unlinked ones.
int open_in(const fs::path& folder) {
    int count = 0;
    for (const auto& link : fs::directory_iterator("/proc/self/fd")) {
        std::error_code gone;
        count += fs::read_symlink(link.path(), gone).string().starts_with(folder.string() + "/") ? 1 : 0;
    }
    return count;
}

}  // namespace

int main() {
    const fs::path folder = fs::temp_directory_path() / "mtcnn_test_printed";
    fs::create_directories(folder);
    std::string caught;
    int open = 0;
    setenv("TMPDIR", folder.c_str(), 1);
    {
        openface::ProcessPrints prints;
        std::cout << "out" << std::flush;
        std::cerr << "err" << std::flush;
        open = open_in(folder);
        caught = prints.text();
    }
    test::run("the file is in TMPDIR", [&] {
        CHECK(caught == "outerr", caught);
        CHECK(open > 0);
        CHECK(open_in(folder) == 0);
        CHECK(fs::is_empty(folder));
    });
    setenv("TMPDIR", (folder / "missing").c_str(), 1);
    {
        const openface::ProcessPrints prints;
    }
    fs::remove_all(folder);
    test::run("without a folder nothing is captured", [] { CHECK(std::cout.good()); });
}
