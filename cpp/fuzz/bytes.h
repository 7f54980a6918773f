// Decoder for a fuzzer's bytes, and the end of the program when it finds a fault.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>

namespace fuzz {

// Prints a message and ends the program. The fuzzer keeps the input.
[[noreturn]] inline void finding(const std::string& what) {
    std::fprintf(stderr, "finding: %s\n", what.c_str());
    std::abort();
}

// A sequence of small numbers. After the last byte all numbers are zero.
class Bytes {
public:
    explicit Bytes(std::span<const std::uint8_t> data) : data_(data) {}

    int byte() { return at_ < data_.size() ? data_[at_++] : 0; }
    // A number in from … to, inclusive. The range has at most 256 numbers.
    int integer(int from, int to) { return from + byte() % (to - from + 1); }
    bool flag() { return (byte() & 1) != 0; }
    unsigned number() {
        unsigned value = 0;
        for (int i = 0; i < 4; ++i) value = value << 8U | static_cast<unsigned>(byte());
        return value;
    }

private:
    std::span<const std::uint8_t> data_;
    std::size_t at_ = 0;
};

}  // namespace fuzz
