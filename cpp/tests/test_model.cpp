// The reader of .dat files: it reads what the writer writes, and rejects damaged files with a position, without
// allocating more memory than the file holds.
#include "mtcnn/model.h"

#include <new>
#include <stdexcept>

#include "check.h"
#include "random_model.h"

namespace {

std::size_t largest_request = 0;

void* allocate(std::size_t size) {
    largest_request = std::max(largest_request, size);
    if (void* memory = std::malloc(size)) return memory;
    throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t size) { return allocate(size); }
void* operator new[](std::size_t size) { return allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

using Bytes = std::vector<std::byte>;
using mtcnn::Network;
using mtcnn::Requirements;

// Returns whether the data is accepted. A rejection must be a std::invalid_argument with source and byte.
bool reads(const Bytes& bytes, const Requirements& requirements) {
    // Exactly as large as the data, so that a sanitizer detects a read past the end.
    const Bytes exact(bytes.begin(), bytes.end());
    largest_request = 0;
    bool good = true;
    try {
        mtcnn::read_network(exact, "x.dat", requirements);
    } catch (const std::invalid_argument& e) {
        good = false;
        const std::string message = e.what();
        CHECK(message.rfind("x.dat: byte ", 0) == 0, message);
        CHECK(message.find(": expected ") != std::string::npos, message);
        CHECK(message.find(", found ") != std::string::npos, message);
    }
    CHECK(largest_request <= 4 * bytes.size() + 4096, "asked for", largest_request, "of", bytes.size());
    return good;
}

Network small_network() {
    test::Random random(9);
    Network network;
    network.layers = {test::conv2d(random, 3, 2, 2, 3), test::prelu(random, 2), mtcnn::MaxPool{2, 2, 2, 2},
                      mtcnn::Sigmoid{}, test::fully_connected(random, 2, 6)};
    return network;
}

void put(Bytes& bytes, std::size_t at, std::int32_t value) { std::memcpy(bytes.data() + at, &value, sizeof value); }

}  // namespace

int main() {
    test::run("round trip", [] {
        const mtcnn::Model model = test::random_model(1);
        for (const auto& [network, requirements] :
             {std::pair(&model.pnet, mtcnn::kPNet), {&model.rnet, mtcnn::kRNet}, {&model.onet, mtcnn::kONet}}) {
            const Bytes bytes = mtcnn::write_network(*network);
            const Network back = mtcnn::read_network(bytes, "x.dat", requirements);
            CHECK(back.names() == network->names());
            CHECK(mtcnn::write_network(back) == bytes);
            const auto& kernel = std::get<mtcnn::Conv2d>(back.layers[0]).kernel;
            CHECK(test::same_bits(kernel, std::get<mtcnn::Conv2d>(network->layers[0]).kernel));
        }
    });
    const Bytes whole = mtcnn::write_network(small_network());
    test::run("truncated at every byte", [&] {
        for (std::size_t size = 0; size < whole.size(); ++size) {
            CHECK(!reads(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)), mtcnn::kPNet), size);
        }
        CHECK(reads(whole, mtcnn::kPNet));
        Bytes longer = whole;
        longer.push_back(std::byte{0});
        CHECK(!reads(longer, mtcnn::kPNet));
    });
    test::run("every integer of the file replaced", [&] {
        for (std::size_t at = 0; at + 4 <= whole.size(); at += 4) {
            for (const std::int32_t value : {0, -1, 1, 2, 6, 7, 1 << 16, 1 << 28, INT32_MAX, INT32_MIN}) {
                Bytes damaged = whole;
                put(damaged, at, value);
                reads(damaged, mtcnn::kPNet);
                reads(damaged, {});
            }
        }
    });
    test::run("random bytes flipped", [&] {
        test::Random random(10);
        int rejected = 0;
        for (int i = 0; i < 20000; ++i) {
            Bytes damaged = whole;
            for (int flips = random.integer(1, 4); flips > 0; --flips) {
                // Half of the flips change sizes.
                const int last = random.integer(0, 1) != 0 ? 60 : static_cast<int>(whole.size()) - 1;
                damaged[static_cast<std::size_t>(random.integer(0, last))] ^=
                    static_cast<std::byte>(1 << random.integer(0, 7));
            }
            if (!reads(damaged, i % 2 == 0 ? mtcnn::kPNet : Requirements{})) ++rejected;
        }
        CHECK(rejected > 1000, rejected);
    });
    test::run("random bytes", [] {
        test::Random random(11);
        for (int i = 0; i < 5000; ++i) {
            Bytes noise(static_cast<std::size_t>(random.integer(0, 200)));
            for (std::byte& b : noise) b = static_cast<std::byte>(random.integer(0, 7) != 0 ? 0 : random.integer(0, 6));
            reads(noise, {});
        }
    });
    test::run("sizes beyond the limit", [&] {
        Bytes damaged = whole;
        put(damaged, 8, 1 << 30);  // input maps
        put(damaged, 12, 1 << 30);
        CHECK(!reads(damaged, {}));
    });
}
