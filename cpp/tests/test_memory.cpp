// Memory that comes to an end, or that a detection may not take: an error, never a crash, and the detector goes on. And
// buffers that are moved.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <new>

#include "check.h"
#include "mtcnn/memory.h"
#include "random_model.h"

namespace {

// How many allocations of this program still succeed; negative: all.
std::atomic<long> left = -1;
// Bytes that are allocated now, and at the most so far.
std::atomic<std::int64_t> taken = 0;
std::atomic<std::int64_t> peak = 0;

// The size is noted before the memory that is handed out.
constexpr std::size_t kNote = alignof(std::max_align_t);

void* allocate(std::size_t size) {
    if (left.load() >= 0 && left.fetch_sub(1) <= 0) {
        left = 0;
        throw std::bad_alloc();
    }
    auto* memory = static_cast<std::byte*>(std::malloc(size + kNote));
    if (memory == nullptr) throw std::bad_alloc();
    std::memcpy(memory, &size, sizeof size);
    const std::int64_t now = taken += static_cast<std::int64_t>(size);
    for (std::int64_t most = peak; now > most && !peak.compare_exchange_weak(most, now);) {
    }
    return memory + kNote;
}

void release(void* memory) {
    if (memory == nullptr) return;
    std::byte* from = static_cast<std::byte*>(memory) - kNote;
    std::size_t size = 0;
    std::memcpy(&size, from, sizeof size);
    taken -= static_cast<std::int64_t>(size);
    std::free(from);
}

// What `action` takes at the most, beyond what is there when it begins.
template <class Action>
std::int64_t peak_of(const Action& action) {
    const std::int64_t before = taken;
    peak = before;
    action();
    return peak - before;
}

// Takes no memory of its own.
struct Ended : std::exception {};

}  // namespace

void* operator new(std::size_t size) { return allocate(size); }
void operator delete(void* memory) noexcept { release(memory); }
void operator delete(void* memory, std::size_t) noexcept { release(memory); }
// Aligned: where the memory begins that was allocated is noted before it.
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
    if (memory != nullptr) release(static_cast<void**>(memory)[-1]);
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
    test::run("a detection that may take less than it needs takes nothing", [&] {
        const mtcnn::Detector detector(model, *test::variants().back());
        const test::Picture wide(40, 20000);
        mtcnn::Options all = options;
        all.thresholds = {0, 0, 0};  // every value of the heat maps is a candidate
        for (const int threads : {1, 3}) {
            mtcnn::Options small = options;
            for (mtcnn::Options* o : {&all, &small}) {
                o->threads = threads;
                o->memory_limit = 100000;  // less than one row of the pyramid needs, all threads together
                const std::int64_t most = peak_of([&] {
                    std::string message;
                    CHECK(test::throws<mtcnn::MemoryLimit>([&] { detector.detect(wide.image, *o); }, &message));
                    CHECK(message.find(" of memory or more, the limit is 100.0 kB: ") != std::string::npos, message);
                    const auto tap = [](const std::string&, const mtcnn::TensorView&) {};
                    CHECK(test::throws<mtcnn::MemoryLimit>([&] { detector.detect(wide.image, *o, tap); }));
                });
                CHECK(most < 100000, threads, most);
            }
        }
        all.memory_limit = 20 << 20;  // enough for rows, but not for 20 x 10000 boxes
        const std::int64_t most =
            peak_of([&] { CHECK(test::throws<mtcnn::MemoryLimit>([&] { detector.detect(wide.image, all); })); });
        CHECK(most < 100000, most);
    });
    test::run("no detection takes more than it may", [&] {
        test::Picture large(80, 120);
        test::paint(large, 3);
        mtcnn::Options o;
        o.min_face = 12;
        int refused = 0;
        int done = 0;
        for (const float threshold : {0.0F, 0.3F, 0.6F}) {
            o.thresholds = {threshold, 0.9F, 0.9F};
            o.memory_limit = 0;
            mtcnn::Detections whole;
            const bool tapped[] = {false, true};
            for (const bool with_tap : tapped) {
                for (const int threads : {1, 3}) {
                    o.threads = threads;
                    for (const std::int64_t limit : {0, 1, 2, 4, 8, 16}) {
                        const mtcnn::Detector detector(model, *test::variants().back());
                        const mtcnn::Tap tap = [](const std::string&, const mtcnn::TensorView&) {};
                        o.memory_limit = limit << 17;
                        const std::int64_t most = peak_of([&] {
                            try {
                                const auto found = detector.detect(large.image, o, with_tap ? tap : mtcnn::Tap());
                                if (limit == 0 && !with_tap && threads == 1) whole = found;
                                CHECK(test::same_bits(found, whole), threshold, with_tap, threads, limit);
                                ++done;
                            } catch (const mtcnn::MemoryLimit&) {
                                ++refused;
                                CHECK(limit > 0, "refused without a limit");
                            }
                        });
                        // Beside what grows with the options there is the scratch memory of crops: 535 kB for each
                        // thread, where all of them find work.
                        const std::int64_t allowed = (limit << 17) + std::int64_t{600000} * threads;
                        CHECK(limit == 0 || most <= allowed, threshold, with_tap, threads, limit, most);
                    }
                }
            }
        }
        CHECK(refused > 20 && done > 20, refused, done);
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
