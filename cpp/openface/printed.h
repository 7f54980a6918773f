// What the original prints is caught, and told only where it fails.
#pragma once

#include <string>

namespace openface {

// Catches what this thread writes to std::cout and std::cerr while it lives. Other threads' output goes its way.
class ThreadPrints {
public:
    ThreadPrints();
    ~ThreadPrints();
    ThreadPrints(const ThreadPrints&) = delete;
    ThreadPrints& operator=(const ThreadPrints&) = delete;
    const std::string& text() const { return text_; }

private:
    std::string text_;
    std::string* outer_;
};

// Catches what this whole process writes to its standard output and error while it lives, by whatever means. For
// short work under Python's lock, so that nothing of Python's is caught.
class ProcessPrints {
public:
    ProcessPrints();
    ~ProcessPrints();
    ProcessPrints(const ProcessPrints&) = delete;
    ProcessPrints& operator=(const ProcessPrints&) = delete;
    std::string text();  // so far

private:
    int file_ = -1;  // -1: nothing could be opened, and nothing is caught
    int saved_[2] = {-1, -1};
};

}  // namespace openface
