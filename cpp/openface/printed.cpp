#include "printed.h"

#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <streambuf>
#include <system_error>

namespace openface {
namespace {

thread_local std::string* listener = nullptr;

// Replaces the buffer of a stream and separates its output by thread.
class Sorter : public std::streambuf {
public:
    explicit Sorter(std::ostream& stream) : through_(stream.rdbuf(this)) {}

protected:
    int_type overflow(int_type c) override {
        if (traits_type::eq_int_type(c, traits_type::eof())) return traits_type::not_eof(c);
        if (listener == nullptr) return through_->sputc(traits_type::to_char_type(c));
        listener->push_back(traits_type::to_char_type(c));
        return c;
    }
    std::streamsize xsputn(const char* text, std::streamsize count) override {
        if (listener == nullptr) return through_->sputn(text, count);
        listener->append(text, static_cast<std::size_t>(count));
        return count;
    }
    int sync() override { return listener == nullptr ? through_->pubsync() : 0; }

private:
    std::streambuf* through_;
};

void place_sorters() {
    // Never removed: another thread may be writing.
    [[maybe_unused]] static const std::array<Sorter*, 2> sorters = {new Sorter(std::cout), new Sorter(std::cerr)};
}

void flush_all() {
    std::cout.flush();
    std::cerr.flush();
    std::fflush(nullptr);
}

}  // namespace

ThreadPrints::ThreadPrints() : outer_(listener) {
    place_sorters();
    listener = &text_;
}

ThreadPrints::~ThreadPrints() { listener = outer_; }

ProcessPrints::ProcessPrints() {
    flush_all();
    std::error_code none;
    std::string name = (std::filesystem::temp_directory_path(none) / "mtcnn_cpp_XXXXXX").string();
    file_ = mkstemp(name.data());
    if (file_ < 0) return;
    unlink(name.c_str());
    for (int i = 0; i < 2; ++i) {
        saved_[i] = dup(i + 1);
        if (saved_[i] >= 0) dup2(file_, i + 1);  // a closed stream stays closed
    }
}

ProcessPrints::~ProcessPrints() {
    flush_all();
    for (int i = 0; i < 2; ++i) {
        if (saved_[i] < 0) continue;
        dup2(saved_[i], i + 1);
        close(saved_[i]);
    }
    if (file_ >= 0) close(file_);
}

std::string ProcessPrints::text() {
    if (file_ < 0) return "";
    flush_all();
    std::string found;
    char chunk[4096];
    off_t at = 0;
    for (ssize_t count = 0; (count = pread(file_, chunk, sizeof chunk, at)) > 0; at += count) {
        found.append(chunk, static_cast<std::size_t>(count));
    }
    return found;
}

}  // namespace openface
