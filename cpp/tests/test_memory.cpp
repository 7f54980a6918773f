// Memory that comes to an end: an error, never a crash, and the detector goes on. And buffers that are moved.
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <memory>
#include <new>

#include "check.h"
#include "random_model.h"

namespace {

// How many allocations of this program still succeed; negative: all.
std::atomic<long> left = -1;

void* allocate(std::size_t size) {
    if (left.load() >= 0 && left.fetch_sub(1) <= 0) {
        left = 0;
        throw std::bad_alloc();
    }
    void* memory = std::malloc(size == 0 ? 1 : size);
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}

// Takes no memory of its own.
struct Ended : std::exception {};

}  // namespace

void* operator new(std::size_t size) { return allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
// Aligned: what was allocated is noted before the memory that is handed out.
void* operator new(std::size_t size, std::align_val_t alignment) {
    const auto step = static_cast<std::size_t>(alignment);
    void* const allocated = allocate(size + step + sizeof(void*));
    void* place = static_cast<std::byte*>(allocated) + sizeof(void*);
    std::size_t space = size + step;
    place = std::align(step, size, place, space);
    static_cast<void**>(place)[-1] = allocated;
    return place;
}
void operator delete(void* memory, std::align_val_t) noexcept {
    if (memory != nullptr) std::free(static_cast<void**>(memory)[-1]);
}
void operator delete(void* memory, std::size_t, std::align_val_t alignment) noexcept {
    operator delete(memory, alignment);
}

int main() {
    const mtcnn::Model model = test::random_model(33);
    test::Picture picture(40, 50);
    test::paint(picture, 1);
    mtcnn::Options options;
    options.min_face = 14;
    options.thresholds = {0.6F, 0.4F, 0.3F};
    const mtcnn::Detections expected = mtcnn::Detector(model, *test::variants().back()).detect(picture.image, options);

    test::run("no memory is needed to end a detection that failed", [&] {
        for (const int threads : {1, 3}) {
            options.threads = threads;
            const mtcnn::Detector detector(model, *test::variants().back());
            // The tap keeps the failing memory from what comes before the end.
            const auto tap = [](const std::string& name, const mtcnn::TensorView&) {
                if (name != "final/landmarks") return;
                left = 0;
                throw Ended();
            };
            const bool thrown = test::throws<Ended>([&] { detector.detect(picture.image, options, tap); });
            left = -1;
            CHECK(thrown, threads);
            CHECK(test::same_bits(detector.detect(picture.image, options), expected), threads);
        }
    });
    test::run("memory that ends anywhere in a detection", [&] {
        for (const int threads : {1, 3}) {
            options.threads = threads;
            const mtcnn::Detector detector(model, *test::variants().back());
            bool enough = false;
            for (long count = 0; !enough; count = count < 100 ? count + 1 : count + 1 + count / 20) {
                const mtcnn::Detector fresh(model, *test::variants().back());
                for (const mtcnn::Detector* d : {&fresh, &detector}) {
                    mtcnn::Detections found;
                    left = count;
                    const bool failed =
                        test::throws<std::bad_alloc>([&] { found = d->detect(picture.image, options); });
                    left = -1;
                    CHECK(failed || test::same_bits(found, expected), threads, count);
                    enough = !failed;
                }
            }
            CHECK(test::same_bits(detector.detect(picture.image, options), expected), threads);
        }
    });
    test::run("a buffer that was moved from is empty and can be filled again", [] {
        mtcnn::Buffer<float> first;
        first.reserve(100)[99] = 1;
        mtcnn::Buffer<float> second(std::move(first));
        CHECK(second.size() == 100 && second.data()[99] == 1);
        // What follows looks at what was moved from, on purpose.
        // NOLINTBEGIN(bugprone-use-after-move,clang-analyzer-cplusplus.Move)
        CHECK(first.size() == 0 && first.data() == nullptr);
        CHECK(first.reserve(50) != nullptr);
        first = std::move(second);
        CHECK(first.size() == 100 && first.data()[99] == 1);
        CHECK(second.size() == 0 && second.data() == nullptr);
        CHECK(second.reserve(100) != nullptr);
        // NOLINTEND(bugprone-use-after-move,clang-analyzer-cplusplus.Move)
    });
}
