// Captures the output of the original. It is reported only when the original fails.
#pragma once

#include <string>

namespace openface {

// Captures the output of this thread to std::cout and std::cerr. Other threads are not affected.
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

// Captures all output of the process to its standard output and error. Use it for short work under the GIL, so that it
// does not capture the output of Python code.
class ProcessPrints {
public:
    ProcessPrints();
    ~ProcessPrints();
    ProcessPrints(const ProcessPrints&) = delete;
    ProcessPrints& operator=(const ProcessPrints&) = delete;
    std::string text();  // the output so far

private:
    int file_ = -1;  // -1: no file could be opened, and nothing is captured
    int saved_[2] = {-1, -1};
};

}  // namespace openface
