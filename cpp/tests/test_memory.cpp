// Lack of memory and the memory limit: an error, never a crash, and the detector remains usable. Also moves of buffers.
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

// Number of allocations of this program that still succeed; negative: all.
std::atomic<long> left = -1;
// Bytes that are allocated now, and their maximum so far.
std::atomic<std::int64_t> taken = 0;
std::atomic<std::int64_t> peak = 0;

// The size is stored before the returned memory.
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

// Maximum bytes that `action` allocates in addition to those allocated before.
template <class Action>
std::int64_t peak_of(const Action& action) {
    const std::int64_t before = taken;
    peak = before;
    action();
    return peak - before;
}

// Does not allocate.
struct Ended : std::exception {};

}  // namespace

void* operator new(std::size_t size) { return allocate(size); }
void operator delete(void* memory) noexcept { release(memory); }
void operator delete(void* memory, std::size_t) noexcept { release(memory); }
// Aligned: the start of the allocation is stored before the returned memory.
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
    test::TestImage test_image(40, 50);
    test::paint(test_image, 1);
    mtcnn::Options options;
    options.min_face = 14;
    options.thresholds = {0.6F, 0.4F, 0.3F};
    const mtcnn::Detections expected =
        mtcnn::Detector(model, *test::variants().back()).detect(test_image.image, options);

    test::run("the end of a failed detection needs no memory", [&] {
        for (const int threads : {1, 3}) {
            options.threads = threads;
            const mtcnn::Detector detector(model, *test::variants().back());
            // The hook lets allocations fail only at the end.
            const auto hook = [](const std::string& name, const mtcnn::TensorView&) {
                if (name != "final/landmarks") return;
                left = 0;
                throw Ended();
            };
            const bool thrown = test::throws<Ended>([&] { detector.detect(test_image.image, options, hook); });
            left = -1;
            CHECK(thrown, threads);
            CHECK(test::same_bits(detector.detect(test_image.image, options), expected), threads);
        }
    });
    test::run("lack of memory anywhere in a detection", [&] {
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
                        test::throws<std::bad_alloc>([&] { found = d->detect(test_image.image, options); });
                    left = -1;
                    CHECK(failed || test::same_bits(found, expected), threads, count);
                    enough = !failed;
                }
            }
            CHECK(test::same_bits(detector.detect(test_image.image, options), expected), threads);
        }
    });
    test::run("a detection above its limit allocates nothing", [&] {
        const mtcnn::Detector detector(model, *test::variants().back());
        const test::TestImage wide(40, 5000);
        mtcnn::Options all = options;
        all.thresholds = {0, 0, 0};  // every value of the heat maps is a candidate
        for (const int threads : {1, 3}) {
            mtcnn::Options small = options;
            for (mtcnn::Options* o : {&all, &small}) {
                o->threads = threads;
                o->memory_limit = 100000;  // less than all threads need for one row of the pyramid
                const std::int64_t most = peak_of([&] {
                    std::string message;
                    CHECK(test::throws<mtcnn::MemoryLimit>([&] { detector.detect(wide.image, *o); }, &message));
                    CHECK(message.find(" of memory or more, the limit is 100.0 kB: ") != std::string::npos, message);
                    const auto hook = [](const std::string&, const mtcnn::TensorView&) {};
                    CHECK(test::throws<mtcnn::MemoryLimit>([&] { detector.detect(wide.image, *o, hook); }));
                });
                CHECK(most < 100000, threads, most);
            }
        }
        all.memory_limit = 5 << 20;  // enough for rows, but not for 20 x 2500 boxes
        const std::int64_t most =
            peak_of([&] { CHECK(test::throws<mtcnn::MemoryLimit>([&] { detector.detect(wide.image, all); })); });
        CHECK(most < 100000, most);
    });
    test::run("only candidates that reach the threshold need memory", [&] {
        const mtcnn::Detector detector(model, *test::variants().back());
        test::TestImage wide(40, 5000);
        test::paint(wide, 1);
        for (const float threshold : {0.6F, 1.0F}) {
            mtcnn::Options o = options;
            o.thresholds[0] = threshold;
            for (const int threads : {1, 3}) {
                o.threads = threads;
                o.memory_limit = 0;
                std::size_t candidates = 0;
                const mtcnn::Hook count = [&](const std::string& name, const mtcnn::TensorView& view) {
                    if (name == "pnet/level00/scores") candidates = static_cast<std::size_t>(view.shape[0]);
                };
                const mtcnn::Detections unlimited = detector.detect(wide.image, o, count);
                CHECK(candidates < 5000, threshold, candidates);
                o.memory_limit = 5 << 20;  // less than 20 x 2500 candidates need
                std::string message;
                mtcnn::Detections found;
                const bool refused =
                    test::throws<mtcnn::MemoryLimit>([&] { found = detector.detect(wide.image, o); }, &message);
                CHECK(!refused, threshold, threads, message);
                CHECK(test::same_bits(found, unlimited), threshold, threads);
            }
        }
    });
    test::run("no detection exceeds its limit", [&] {
        test::TestImage large(50, 70);
        test::paint(large, 3);
        mtcnn::Options o;
        o.min_face = 12;
        int rejected = 0;
        int done = 0;
        for (const float threshold : {0.0F, 0.3F, 0.6F}) {
            o.thresholds = {threshold, 0.9F, 0.9F};
            o.memory_limit = 0;
            mtcnn::Detections whole;
            const bool hooked[] = {false, true};
            for (const bool with_hook : hooked) {
                for (const int threads : {1, 3}) {
                    o.threads = threads;
                    for (const std::int64_t limit : {0, 1, 2, 4, 8, 16}) {
                        const mtcnn::Detector detector(model, *test::variants().back());
                        const mtcnn::Hook hook = [](const std::string&, const mtcnn::TensorView&) {};
                        o.memory_limit = limit << 16;
                        const std::int64_t most = peak_of([&] {
                            try {
                                const auto found = detector.detect(large.image, o, with_hook ? hook : mtcnn::Hook());
                                if (limit == 0 && !with_hook && threads == 1) whole = found;
                                CHECK(test::same_bits(found, whole), threshold, with_hook, threads, limit);
                                ++done;
                            } catch (const mtcnn::MemoryLimit&) {
                                ++rejected;
                                CHECK(limit > 0, "rejected without a limit");
                            }
                        });
                        // In addition to the memory that depends on the options, each thread that processes crops has
                        // 535 kB of scratch memory.
                        const std::int64_t allowed = (limit << 16) + std::int64_t{600000} * threads;
                        CHECK(limit == 0 || most <= allowed, threshold, with_hook, threads, limit, most);
                    }
                }
            }
        }
        CHECK(rejected > 20 && done > 20, rejected, done);
    });
    test::run("a moved-from buffer is empty and reusable", [] {
        mtcnn::Buffer<float> first;
        first.reserve(100)[99] = 1;
        mtcnn::Buffer<float> second(std::move(first));
        CHECK(second.size() == 100 && second.data()[99] == 1);
        // The following lines use an object after a move, on purpose.
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
