// How much memory a detection may take. It is asked before memory is taken: many systems promise more than they have
// and end the process later.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <new>
#include <string>
#include <utility>

namespace mtcnn {

// A detection needs more memory than it may take.
class MemoryLimit : public std::bad_alloc {
public:
    explicit MemoryLimit(std::string message) : message_(std::move(message)) {}
    const char* what() const noexcept override { return message_.c_str(); }

private:
    std::string message_;
};

// Bytes that this process can still take before the machine, or a control group that it runs in, has none left; the
// largest number where that is not known. root: what stands for "/" in tests.
std::int64_t free_memory(const std::string& root = "");

// What one detection needs, announced by its threads before they take it.
class Budget {
public:
    // limit: bytes; 0: the memory that is free, which is asked for once much is needed.
    explicit Budget(std::int64_t limit) : given_(limit) {}

    // Throws MemoryLimit when these bytes and all that were announced exceed the limit.
    void check(double bytes) { check_total(announced_ + bytes); }

    // The same, and adds them to what was announced.
    void announce(double bytes) { check_total(announced_ += bytes); }

private:
    void check_total(double total);

    std::int64_t limit();

    const std::int64_t given_;
    std::atomic<double> announced_{0};
    std::once_flag asked_;
    std::int64_t free_ = 0;
};

}  // namespace mtcnn
