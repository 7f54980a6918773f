// What a fuzzer's bytes are decoded with, and how a finding ends the program.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>

namespace fuzz {

// Says what is wrong and ends the program; the fuzzer keeps the input.
[[noreturn]] inline void finding(const std::string& what) {
    std::fprintf(stderr, "finding: %s\n", what.c_str());
    std::abort();
}

// Small numbers, one after the other; zeros once the bytes have ended.
class Bytes {
public:
    explicit Bytes(std::span<const std::uint8_t> data) : data_(data) {}

    int byte() { return at_ < data_.size() ? data_[at_++] : 0; }
    // from … to, both included; at most 256 of them.
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
