// Writes the tensors of a detection to a trace file for mtcnn-cpp (docs/trace-format.md), from any C++17 program. Copy
// this header into your project. It has no dependencies.
//
//     mtcnn_trace::Writer trace("mine.npz");
//     trace.image(bgr, height, width);                            // (height, width, 3) bytes, BGR
//     trace.add("pnet/level00/conv1", values, {10, 101, 101});    // floats in C order
//     trace.finish();
//
// The file has a temporary name until finish(). A Writer that is destroyed before finish() deletes it. Failures throw
// std::runtime_error, invalid arguments std::invalid_argument.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace mtcnn_trace {

using Shape = std::vector<std::size_t>;

namespace detail {

// Appends an integer in little-endian order.
template <typename T>
void put(std::string& out, T value, int bytes) {
    for (int i = 0; i < bytes; ++i) {
        out += static_cast<char>((static_cast<std::uint64_t>(value) >> (8 * i)) & 0xff);
    }
}

class Crc32 {
public:
    Crc32() {
        for (std::uint32_t i = 0; i < 256; ++i) {
            std::uint32_t value = i;
            for (int bit = 0; bit < 8; ++bit) {
                value = (value & 1) != 0 ? 0xedb88320U ^ (value >> 1) : value >> 1;
            }
            table_[i] = value;
        }
    }

    void add(const char* data, std::size_t size) {
        for (std::size_t i = 0; i < size; ++i) {
            crc_ = table_[(crc_ ^ static_cast<unsigned char>(data[i])) & 0xff] ^ (crc_ >> 8);
        }
    }

    std::uint32_t value() const { return crc_ ^ 0xffffffffU; }

private:
    std::array<std::uint32_t, 256> table_{};
    std::uint32_t crc_ = 0xffffffffU;
};

// SHA-256 (FIPS 180-4).
class Sha256 {
public:
    void add(const char* data, std::size_t size) {
        length_ += size;
        for (std::size_t i = 0; i < size; ++i) {
            block_[used_++] = static_cast<unsigned char>(data[i]);
            if (used_ == 64) {
                compress();
            }
        }
    }

    std::string hex() {
        const std::uint64_t bits = length_ * 8;
        const char one = static_cast<char>(0x80);
        const char zero = 0;
        add(&one, 1);
        while (used_ != 56) {
            add(&zero, 1);
        }
        for (int i = 7; i >= 0; --i) {
            const char byte = static_cast<char>((bits >> (8 * i)) & 0xff);
            add(&byte, 1);
        }
        std::string text;
        for (const std::uint32_t word : state_) {
            char digits[9];
            std::snprintf(digits, sizeof digits, "%08x", static_cast<unsigned>(word));
            text += digits;
        }
        return text;
    }

private:
    static std::uint32_t rotated(std::uint32_t x, int by) { return (x >> by) | (x << (32 - by)); }

    void compress() {
        static constexpr std::uint32_t constants[64] = {
            0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
            0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
            0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
            0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
            0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
            0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
            0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
            0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
        std::uint32_t w[64];
        for (int i = 0; i < 16; ++i) {
            w[i] = static_cast<std::uint32_t>(block_[4 * i]) << 24 |
                   static_cast<std::uint32_t>(block_[4 * i + 1]) << 16 |
                   static_cast<std::uint32_t>(block_[4 * i + 2]) << 8 | static_cast<std::uint32_t>(block_[4 * i + 3]);
        }
        for (int i = 16; i < 64; ++i) {
            const std::uint32_t a = rotated(w[i - 15], 7) ^ rotated(w[i - 15], 18) ^ (w[i - 15] >> 3);
            const std::uint32_t b = rotated(w[i - 2], 17) ^ rotated(w[i - 2], 19) ^ (w[i - 2] >> 10);
            w[i] = w[i - 16] + a + w[i - 7] + b;
        }
        auto s = state_;
        for (int i = 0; i < 64; ++i) {
            const std::uint32_t e = rotated(s[4], 6) ^ rotated(s[4], 11) ^ rotated(s[4], 25);
            const std::uint32_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]);
            const std::uint32_t first = s[7] + e + choice + constants[i] + w[i];
            const std::uint32_t a = rotated(s[0], 2) ^ rotated(s[0], 13) ^ rotated(s[0], 22);
            const std::uint32_t second = a + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
            s = {first + second, s[0], s[1], s[2], s[3] + first, s[4], s[5], s[6]};
        }
        for (int i = 0; i < 8; ++i) {
            state_[i] += s[i];
        }
        used_ = 0;
    }

    std::array<std::uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                        0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    std::array<unsigned char, 64> block_{};
    std::size_t used_ = 0;
    std::uint64_t length_ = 0;
};

// JSON text of a string. Control characters throw std::invalid_argument, because readers reject them.
inline std::string quoted(const std::string& text) {
    std::string result = "\"";
    for (const char c : text) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            throw std::invalid_argument("a name or text has a control character");
        }
        if (c == '"' || c == '\\') {
            result += '\\';
        }
        result += c;
    }
    return result + '"';
}

inline std::string listed(const Shape& shape) {
    std::string result = "[";
    for (std::size_t i = 0; i < shape.size(); ++i) {
        result += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
    }
    return result + "]";
}

inline bool little_endian() {
    const std::uint16_t one = 1;
    unsigned char first = 0;
    std::memcpy(&first, &one, 1);
    return first == 1;
}

// Names of the axes of an array, as in docs/trace-format.md. "?" is always valid.
inline std::string layout(const Shape& shape) {
    return shape.size() == 3 ? "channel, y, x" : shape.size() == 1 ? "channel" : "?";
}

}  // namespace detail

class Writer {
public:
    explicit Writer(std::filesystem::path path) : path_(std::move(path)), part_(path_) {
        if (!detail::little_endian()) {
            throw std::runtime_error("mtcnn_trace::Writer: this machine is not little endian");
        }
        part_ += ".part";
        file_.open(part_, std::ios::binary | std::ios::trunc);
        if (!file_) {
            throw std::runtime_error(part_.string() + ": cannot be written");
        }
    }

    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;

    ~Writer() {
        if (!finished_) {
            file_.close();
            std::error_code ignored;
            std::filesystem::remove(part_, ignored);
        }
    }

    // The input image of the detection: (height, width, 3) bytes, BGR.
    void image(const std::uint8_t* bgr, std::size_t height, std::size_t width) {
        if (!image_.empty()) {
            throw std::invalid_argument("the image was added twice");
        }
        const Shape shape{height, width, 3};
        const std::string digest = entry("picture", bgr, sizeof *bgr, "|u1", shape);
        image_ = "{\"shape\": " + detail::listed(shape) + R"(, "dtype": "uint8", "sha256": ")" + digest +
                 R"(", "color": "bgr"})";
    }

    // Adds a tensor in C order. Call this in the order of computation.
    void add(const std::string& name, const float* values, const Shape& shape) {
        tensor(name, values, sizeof *values, "<f4", "float32", shape);
    }
    void add(const std::string& name, const double* values, const Shape& shape) {
        tensor(name, values, sizeof *values, "<f8", "float64", shape);
    }
    void add(const std::string& name, const std::int32_t* values, const Shape& shape) {
        tensor(name, values, sizeof *values, "<i4", "int32", shape);
    }

    // Sets an option of the detection, such as min_face, or information about the program, such as package.
    void option(const std::string& name, double value) {
        char text[40];
        std::snprintf(text, sizeof text, "%.17g", value);
        options_ += (options_.empty() ? "" : ", ") + detail::quoted(name) + ": " + text;
    }
    void made_by(const std::string& key, const std::string& value) {
        made_by_ += (made_by_.empty() ? "" : ", ") + detail::quoted(key) + ": " + detail::quoted(value);
    }

    // Completes the file and renames it to its final name.
    void finish() {
        if (finished_) {
            throw std::runtime_error(path_.string() + " is finished");
        }
        const std::string text =
            "{\"format\": \"mtcnn_cpp trace\", \"version\": 1, \"capture\": \"full\", \"only\": [], \"picture\": " +
            (image_.empty() ? std::string("null") : image_) + ", \"options\": {" + options_ +
            "}, \"model\": {}, \"made_by\": {" + made_by_ + "},\n \"tensors\": [" + tensors_ + "\n ]}\n";
        entry("manifest", text.data(), 1, "|u1", {text.size()});
        directory();
        file_.close();
        if (!file_) {
            throw std::runtime_error(part_.string() + " could not be written");
        }
        std::filesystem::rename(part_, path_);
        finished_ = true;
    }

private:
    void tensor(const std::string& name, const void* values, std::size_t size, const char* code, const char* dtype,
                const Shape& shape) {
        if (name == "manifest" || name == "picture" || name.empty()) {
            throw std::invalid_argument("no tensor can be named '" + name + "'");
        }
        const std::string shown = detail::quoted(name);
        const std::string digest = entry(name, values, size, code, shape);
        tensors_ += (tensors_.empty() ? "\n  {\"name\": " : ",\n  {\"name\": ") + shown +
                    ", \"shape\": " + detail::listed(shape) + ", \"dtype\": \"" + dtype + "\", \"layout\": \"" +
                    detail::layout(shape) + "\", \"sha256\": \"" + digest + "\"}";
    }

    // Adds one uncompressed array to the archive and returns its SHA-256.
    std::string entry(const std::string& name, const void* values, std::size_t size, const char* code,
                      const Shape& shape) {
        if (!names_.insert(name).second) {
            throw std::invalid_argument("two tensors are named '" + name + "'");
        }
        std::size_t bytes = size;
        std::string tuple;
        for (const std::size_t side : shape) {
            bytes *= side;
            tuple += std::to_string(side) + ", ";
        }
        if (shape.size() > 1) {
            tuple.resize(tuple.size() - 2);
        } else if (shape.size() == 1) {
            tuple.pop_back();
        }
        std::string header =
            std::string("{'descr': '") + code + "', 'fortran_order': False, 'shape': (" + tuple + "), }";
        header.append(63 - (10 + header.size()) % 64, ' ');
        header += '\n';
        std::string head("\x93NUMPY\x01\x00", 8);
        detail::put(head, header.size(), 2);
        head += header;

        const char* data = static_cast<const char*>(values);
        detail::Crc32 crc;
        crc.add(head.data(), head.size());
        crc.add(data, bytes);
        detail::Sha256 digest;
        digest.add(data, bytes);

        const Record record{name + ".npy", crc.value(), head.size() + bytes, offset_};
        write(local(record));
        write(head);
        file_.write(data, static_cast<std::streamsize>(bytes));
        offset_ += bytes;
        records_.push_back(record);
        return digest.hex();
    }

    struct Record {
        std::string name;
        std::uint32_t crc;
        std::uint64_t size, offset;
    };

    void write(const std::string& text) {
        file_.write(text.data(), static_cast<std::streamsize>(text.size()));
        offset_ += text.size();
    }

    // All entries are ZIP64, so that no size is too large.
    static std::string common(const Record& record) {
        std::string out;
        detail::put(out, 45, 2);           // version needed
        detail::put(out, 0x800, 2);        // names are UTF-8
        detail::put(out, 0, 2);            // stored
        detail::put(out, 0x00210000U, 4);  // 1 January 1980
        detail::put(out, record.crc, 4);
        detail::put(out, 0xffffffffU, 4);
        detail::put(out, 0xffffffffU, 4);
        detail::put(out, record.name.size(), 2);
        return out;
    }

    static std::string local(const Record& record) {
        std::string out("PK\x03\x04", 4);
        out += common(record);
        detail::put(out, 20, 2);
        out += record.name;
        detail::put(out, 1, 2);
        detail::put(out, 16, 2);
        detail::put(out, record.size, 8);
        detail::put(out, record.size, 8);
        return out;
    }

    void directory() {
        const std::uint64_t begin = offset_;
        for (const Record& record : records_) {
            std::string out("PK\x01\x02", 4);
            detail::put(out, 45, 2);
            out += common(record);
            detail::put(out, 28, 2);  // extra field
            detail::put(out, 0, 2);   // comment
            detail::put(out, 0, 2);   // disk
            detail::put(out, 0, 2);   // attributes
            detail::put(out, 0, 4);
            detail::put(out, 0xffffffffU, 4);
            out += record.name;
            detail::put(out, 1, 2);
            detail::put(out, 24, 2);
            detail::put(out, record.size, 8);
            detail::put(out, record.size, 8);
            detail::put(out, record.offset, 8);
            write(out);
        }
        const std::uint64_t end = offset_;
        std::string out("PK\x06\x06", 4);
        detail::put(out, 44, 8);
        detail::put(out, 45, 2);
        detail::put(out, 45, 2);
        detail::put(out, 0, 4);
        detail::put(out, 0, 4);
        detail::put(out, records_.size(), 8);
        detail::put(out, records_.size(), 8);
        detail::put(out, end - begin, 8);
        detail::put(out, begin, 8);
        out += std::string("PK\x06\x07", 4);
        detail::put(out, 0, 4);
        detail::put(out, end, 8);
        detail::put(out, 1, 4);
        out += std::string("PK\x05\x06", 4);
        detail::put(out, 0, 4);
        detail::put(out, 0xffff, 2);
        detail::put(out, 0xffff, 2);
        detail::put(out, 0xffffffffU, 4);
        detail::put(out, 0xffffffffU, 4);
        detail::put(out, 0, 2);
        write(out);
    }

    std::filesystem::path path_, part_;
    std::ofstream file_;
    std::set<std::string> names_;
    std::vector<Record> records_;
    std::string image_, tensors_, options_, made_by_;
    std::uint64_t offset_ = 0;
    bool finished_ = false;
};

}  // namespace mtcnn_trace
