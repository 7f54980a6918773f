// A folder that stands for "/".
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

namespace test {

// A folder with files, gone at the end.
class Root {
public:
    explicit Root(const std::string& name) : path_(std::filesystem::temp_directory_path() / ("mtcnn_test_" + name)) {
        std::filesystem::remove_all(path_);
    }
    ~Root() { std::filesystem::remove_all(path_); }
    Root(const Root&) = delete;
    Root& operator=(const Root&) = delete;

    Root& with(const std::string& file, const std::string& text) {
        std::filesystem::create_directories((path_ / file).parent_path());
        std::ofstream(path_ / file) << text;
        return *this;
    }
    std::string path() const { return path_.string(); }

private:
    std::filesystem::path path_;
};

}  // namespace test
