// Threads: each task runs once, failures are rethrown, and several threads use one detector at the same time.
#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "check.h"
#include "mtcnn/task_group.h"
#include "random_model.h"

namespace {

void check_tasks(mtcnn::TaskGroup& task_group, int count, int threads) {
    std::vector<std::atomic<int>> times(static_cast<std::size_t>(count));
    std::vector<std::atomic<int>> busy(static_cast<std::size_t>(threads));
    std::atomic<bool> good = true;
    task_group.run(count, threads, [&](int index, int worker) {
        if (worker < 0 || worker >= threads || ++busy[static_cast<std::size_t>(worker)] != 1) good = false;
        ++times[static_cast<std::size_t>(index)];
        --busy[static_cast<std::size_t>(worker)];
    });
    CHECK(good, count, threads);
    for (const auto& t : times) CHECK(t == 1, count, threads);
}

}  // namespace

int main() {
    test::run("every task once, no worker runs two tasks at a time", [] {
        for (const int count : {0, 1, 2, 7, 100}) {
            for (const int threads : {1, 2, 4, 9}) {
                mtcnn::TaskGroup task_group;
                check_tasks(task_group, count, threads);
            }
        }
    });
    test::run("a task group runs repeatedly, and grows", [] {
        mtcnn::TaskGroup task_group;
        for (int round = 0; round < 300; ++round) check_tasks(task_group, round % 11, 1 + round % 5);
    });
    test::run("a failing task", [] {
        for (const int threads : {1, 4}) {
            std::string message;
            std::atomic<int> done = 0;
            const auto task = [&](int index, int) {
                if (index == 3) throw std::runtime_error("task 3");
                // Slow enough that the failure is noticed long before the end, even if its thread gets the CPU late.
                std::this_thread::sleep_for(std::chrono::microseconds(100));
                ++done;
            };
            mtcnn::TaskGroup task_group;
            CHECK(test::throws<std::runtime_error>([&] { task_group.run(50000, threads, task); }, &message));
            check_tasks(task_group, 7, threads);
            CHECK(message == "task 3", message);
            CHECK(done < 49999, "the rest was not stopped");
        }
    });
    test::run("one task runs on the caller's thread", [] {
        std::thread::id id;
        mtcnn::TaskGroup().run(1, 8, [&](int, int) { id = std::this_thread::get_id(); });
        CHECK(id == std::this_thread::get_id());
    });
    test::run("four threads share a detector, each with up to two threads", [] {
        const mtcnn::Model model = test::random_model(33);
        test::TestImage test_images[] = {{50, 60}, {45, 70}, {60, 40}, {16, 40}};
        mtcnn::Options options;
        options.min_face = 16;
        options.thresholds = {0.6F, 0.4F, 0.3F};
        for (const mtcnn::Kernels* kernels : test::variants()) {
            const mtcnn::Detector detector(model, *kernels);
            std::vector<mtcnn::Detections> expected;
            for (unsigned i = 0; i < 4; ++i) {
                test::paint(test_images[i], i);
                expected.push_back(detector.detect(test_images[i].image, options));
            }
            CHECK(!expected[0].boxes.empty());
            std::atomic<int> wrong = 0;
            std::vector<std::thread> threads;
            for (std::size_t t = 0; t < 4; ++t) {
                threads.emplace_back([&, t] {
                    mtcnn::Options own = options;
                    own.threads = t % 2 == 0 ? 2 : 1;
                    for (std::size_t i = 0; i < 4; ++i) {
                        const std::size_t which = (t + i) % 4;
                        const auto hook = [](const std::string&, const mtcnn::TensorView&) {};
                        const auto found = detector.detect(test_images[which].image, own,
                                                           i % 4 == 3 ? mtcnn::Hook(hook) : mtcnn::Hook());
                        if (!test::same_bits(found, expected[which])) ++wrong;
                    }
                });
            }
            for (std::thread& t : threads) t.join();
            CHECK(wrong == 0, kernels->name, wrong);
        }
    });
    test::run("an exception from a hook ends the detection, and the detector remains usable", [] {
        const mtcnn::Detector detector(test::random_model(33), *test::variants().back());
        test::TestImage test_image(60, 80);
        test::paint(test_image, 1);
        mtcnn::Options options;
        options.min_face = 12;
        const mtcnn::Detections expected = detector.detect(test_image.image, options);
        for (const std::string at : {"pnet/level00/conv1", "pnet/nms_keep", "rnet/crop001/fc1", "final/boxes"}) {
            int after = -1;
            const auto hook = [&](const std::string& name, const mtcnn::TensorView&) {
                if (after >= 0) ++after;
                if (name == at) {
                    after = 0;
                    throw std::runtime_error(name);
                }
            };
            std::string message;
            CHECK(
                test::throws<std::runtime_error>([&] { detector.detect(test_image.image, options, hook); }, &message));
            CHECK(message == at, message);
            CHECK(after == 0, "the hook was called again");
            CHECK(test::same_bits(detector.detect(test_image.image, options), expected));
        }
    });
}
