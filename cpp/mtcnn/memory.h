// Memory limit of a detection. It is checked before memory is allocated: many systems grant more memory than they have
// and kill the process later.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <new>
#include <string>
#include <utility>

namespace mtcnn {

// A detection needs more memory than its limit.
class MemoryLimit : public std::bad_alloc {
public:
    explicit MemoryLimit(std::string message) : message_(std::move(message)) {}
    const char* what() const noexcept override { return message_.c_str(); }

private:
    std::string message_;
};

// Memory use of one detection. Its threads announce each allocation in advance.
class Budget {
public:
    // limit: bytes. 0: the free memory, which is determined when a detection needs more than a small amount.
    explicit Budget(std::int64_t limit) : given_(limit) {}

    // Throws MemoryLimit if these bytes plus all announced bytes exceed the limit.
    void check(double bytes) { check_total(announced_ + bytes); }

    // The same, and adds these bytes to the announced ones.
    void announce(double bytes) {
        double before = announced_.load();
        while (!announced_.compare_exchange_weak(before, before + bytes)) {
        }
        check_total(before + bytes);
    }

private:
    void check_total(double total);

    std::int64_t limit();

    const std::int64_t given_;
    std::atomic<double> announced_{0};
    std::once_flag determined_;
    std::int64_t free_ = 0;
};

}  // namespace mtcnn
