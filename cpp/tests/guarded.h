// Memory next to an inaccessible page, so that a read of one byte too many ends the program. Sanitizers do not see the
// reads of vector instructions such as gathers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#if defined(__unix__) || defined(__APPLE__)
#include <sys/mman.h>
#include <unistd.h>
#define MTCNN_TEST_GUARDED
#endif

#include "check.h"

namespace test {

class Guarded {
public:
    // at_start: the memory begins at the start of a page, after an inaccessible one; otherwise it ends at the end of a
    // page.
    explicit Guarded(std::size_t size, bool at_start = false) : size_(size) {
#if defined(MTCNN_TEST_GUARDED)
        const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
        const std::size_t inner = (size + page - 1) / page * page;
        mapped_ = inner + 2 * page;
        memory_ = mmap(nullptr, mapped_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(memory_ != MAP_FAILED);
        auto* first = static_cast<std::uint8_t*>(memory_) + page;
        CHECK(mprotect(first, inner, PROT_READ | PROT_WRITE) == 0);
        data_ = at_start ? first : first + inner - size;
#else
        plain_.resize(size);
        data_ = plain_.data();
        (void)at_start;
#endif
    }
    ~Guarded() {
#if defined(MTCNN_TEST_GUARDED)
        munmap(memory_, mapped_);
#endif
    }
    Guarded(const Guarded&) = delete;
    Guarded& operator=(const Guarded&) = delete;

    std::uint8_t* data() const { return data_; }
    std::size_t size() const { return size_; }

private:
    std::size_t size_;
    std::uint8_t* data_ = nullptr;
#if defined(MTCNN_TEST_GUARDED)
    void* memory_ = nullptr;
    std::size_t mapped_ = 0;
#else
    std::vector<std::uint8_t> plain_;
#endif
};

}  // namespace test
