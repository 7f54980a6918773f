// A cancelled detection ends at once at any point, with the right exception, and the detector remains usable. Long work
// checks for cancellation often enough.
#include <stdexcept>
#include <thread>

#include "check.h"
#include "mtcnn/proposals.h"
#include "mtcnn/task_group.h"
#include "random_model.h"

namespace {

using mtcnn::CancellationOptions;
using mtcnn::Detector;

struct Ended : std::exception {};

// Is called at every check, counts the calls, and runs `action` at call number `at`.
struct Poll {
    int calls = 0;
    int at = -1;
    std::function<void()> action = [] { throw Ended(); };
    const mtcnn::CancellationSource* source = nullptr;

    CancellationOptions cancellation() {
        return {source,
                [this] {
                    if (++calls == at) action();
                },
                std::chrono::milliseconds(0)};
    }
};

// Returns the number of checks in the work. Tests that the work can be ended at several of them.
template <class Work>
int count_checks(const Work& work) {
    const auto run = [&](Poll& poll) {
        const CancellationOptions cancellation = poll.cancellation();
        mtcnn::CancellationToken token(cancellation);
        mtcnn::CancellationPoint cancellation_point(token, true);
        work(cancellation_point);
    };
    Poll all;
    run(all);
    for (const int at : {1, all.calls / 2 + 1, all.calls}) {
        if (all.calls == 0) continue;
        Poll poll;
        poll.at = at;
        CHECK(test::throws<Ended>([&] { run(poll); }), at);
        CHECK(poll.calls == at, at, poll.calls);
    }
    return all.calls;
}

mtcnn::Options options_for(int threads) {
    mtcnn::Options options;
    options.min_face = 12;
    options.threads = threads;
    return options;
}

}  // namespace

int main() {
    const mtcnn::Kernels& kernels = *test::variants().back();
    const Detector detector(test::random_model(33), kernels);
    test::TestImage test_image(150, 200);
    test::paint(test_image, 1);
    const mtcnn::Detections expected = detector.detect(test_image.image, options_for(1));
    CHECK(expected.boxes.size() > 10);

    test::run("an exception from the poll ends the detection", [&] {
        for (const int threads : {1, 3}) {
            Poll all;
            const auto found = detector.detect(test_image.image, options_for(threads), {}, nullptr, all.cancellation());
            CHECK(test::same_bits(found, expected), threads);
            CHECK(all.calls > (threads == 1 ? 30 : 2), threads, all.calls);
            for (const int at : {1, 2, all.calls / 3, all.calls / 2, all.calls - 1}) {
                if (at < 1 || (threads > 1 && at > 3)) continue;
                Poll poll;
                poll.at = at;
                CHECK(test::throws<Ended>([&] {
                          detector.detect(test_image.image, options_for(threads), {}, nullptr, poll.cancellation());
                      }),
                      threads, at);
                CHECK(poll.calls == at, "polled on", threads, at, poll.calls);
                CHECK(test::same_bits(detector.detect(test_image.image, options_for(threads)), expected), threads, at);
            }
        }
    });
    test::run("a source that is set during the detection cancels it", [&] {
        for (const int threads : {1, 3}) {
            for (const int at : {1, 2}) {
                mtcnn::CancellationSource source;
                Poll poll;
                poll.at = at;
                poll.action = [&] { source.set(); };
                poll.source = &source;
                CHECK(test::throws<mtcnn::Cancelled>([&] {
                          detector.detect(test_image.image, options_for(threads), {}, nullptr, poll.cancellation());
                      }),
                      threads, at);
                CHECK(poll.calls == at, "polled on", threads, at, poll.calls);
                CHECK(source.is_set());
                CHECK(test::same_bits(detector.detect(test_image.image, options_for(threads)), expected), threads, at);
            }
        }
    });
    test::run("a source that is set before the detection, or by a hook", [&] {
        mtcnn::CancellationSource source;
        int calls = 0;
        const auto hook = [&](const std::string& name, const mtcnn::TensorView&) {
            ++calls;
            if (name == "pnet/level01/conv1") source.set();
        };
        const CancellationOptions cancellation{&source, {}, {}};
        for (const int expected_calls : {15, 0}) {
            calls = 0;
            CHECK(test::throws<mtcnn::Cancelled>(
                [&] { detector.detect(test_image.image, options_for(1), hook, nullptr, cancellation); }));
            CHECK(calls == expected_calls, calls);
        }
        CHECK(test::throws<mtcnn::Cancelled>(
            [&] { detector.detect(test_image.image, options_for(3), {}, nullptr, cancellation); }));
    });
    test::run("a thread that waits for its workers checks too, and cancels them", [] {
        for (const bool by_source : {false, true}) {
            mtcnn::CancellationSource source;
            Poll poll;
            poll.at = 3;
            poll.source = &source;
            if (by_source) poll.action = [&] { source.set(); };
            const CancellationOptions cancellation = poll.cancellation();
            mtcnn::CancellationToken token(cancellation);
            std::atomic<int> done = 0;
            bool thrown = false;
            const auto work = [&] {
                mtcnn::TaskGroup task_group(token);
                task_group.run(2, 2, [&](int, int worker) {
                    if (worker == 0) {
                        while (done == 0) std::this_thread::yield();  // until the worker has begun
                        return;
                    }
                    mtcnn::CancellationPoint cancellation_point(token, false);
                    for (; done < 30000; ++done) {
                        std::this_thread::sleep_for(std::chrono::milliseconds(1));
                        cancellation_point.check();
                    }
                });
            };
            thrown = by_source ? test::throws<mtcnn::Cancelled>(work) : test::throws<std::exception>(work);
            CHECK(thrown, by_source);
            CHECK(done < 30000, "the worker was not cancelled");
            CHECK(poll.calls == 3, poll.calls);
        }
    });
    test::run("a failure on a worker cancels the others", [] {
        const CancellationOptions cancellation;
        mtcnn::CancellationToken token(cancellation);
        std::atomic<int> done = 0;
        const auto work = [&] {
            mtcnn::TaskGroup task_group(token);
            task_group.run(2, 2, [&](int, int worker) {
                if (worker == 1) throw Ended();
                mtcnn::CancellationPoint cancellation_point(token, true);
                for (; done < 30000; ++done) {
                    std::this_thread::sleep_for(std::chrono::milliseconds(1));
                    cancellation_point.check();
                }
            });
        };
        CHECK(test::throws<Ended>(work), "another exception");
        CHECK(done < 30000);
    });
    test::run("suppression checks while it sorts and while it compares", [] {
        test::Random random(1);
        std::vector<mtcnn::Box> boxes;
        std::vector<float> scores;
        for (int i = 0; i < 120000; ++i) {
            boxes.push_back({static_cast<float>(i % 1000) * 20, static_cast<float>(i) / 1000 * 20, 12, 12});
            scores.push_back(random.uniform());
        }
        const auto suppress = [&](std::size_t count) {
            return count_checks([&, count](mtcnn::CancellationPoint& cancellation_point) {
                mtcnn::non_maximum_suppression({boxes.data(), count}, {scores.data(), count}, 0.5F,
                                               mtcnn::Overlap::kUnion, cancellation_point);
            });
        };
        CHECK(suppress(boxes.size()) >= 3, suppress(boxes.size()));
        // Boxes without area: every box is compared with every other.
        for (mtcnn::Box& box : boxes) box.width = 0;
        CHECK(suppress(6000) > 10, suppress(6000));
    });
    test::run("conversion of candidates to boxes", [] {
        mtcnn::Candidates bands[2];
        for (mtcnn::Candidates& band : bands) {
            for (int i = 0; i < 500000; ++i) band.add({i % 999, i / 999, 0.5F, {}});
        }
        const int checks = count_checks([&](mtcnn::CancellationPoint& cancellation_point) {
            mtcnn::Candidates given[] = {bands[0], bands[1]};  // to_proposals frees them
            mtcnn::ProposalScratch scratch;
            CHECK(mtcnn::to_proposals(given, 999, 0.5, scratch, cancellation_point).boxes.size() == 1000000);
        });
        CHECK(checks > 3, checks);
    });
    test::run("one wide row of an image, resampled", [&] {
        const test::TestImage wide(4, 500);
        for (const int width : {1000000, 500}) {  // to another size and to the same size
            const int rows = width == 500 ? 16000 : 1;
            const int checks = count_checks([&](mtcnn::CancellationPoint& cancellation_point) {
                mtcnn::Resampler resampler(kernels, cancellation_point);
                std::vector<float> out(static_cast<std::size_t>(3 * mtcnn::padded(width)));
                resampler.prepare(wide.image, mtcnn::full_patch(wide.image), width == 500 ? 4 : 3, width);
                for (int y = 0; y < rows; ++y) resampler.row(y % 3, out.data(), mtcnn::padded(width));
            });
            CHECK(checks > (width == 500 ? 3 : 4), width, checks);
        }
    });
    test::run("one wide row of a network", [&] {
        test::Random random(2);
        mtcnn::Network network;
        network.layers = {test::conv2d(random, 3, 64, 5, 5)};
        const mtcnn::PlanarNetwork planar(network, 3, kernels);
        const int checks = count_checks([&](mtcnn::CancellationPoint& cancellation_point) {
            mtcnn::PlanarScratch scratch;
            planar.run(
                5, 100000, 0, 1, [](int, float*, std::ptrdiff_t) {}, [](int, const float*, std::ptrdiff_t) {}, scratch,
                cancellation_point);
        });
        CHECK(checks > 4, checks);
    });
    test::run("a group of crops", [&] {
        test::Random random(2);
        mtcnn::Network network;
        network.layers = {test::conv2d(random, 3, 64, 3, 3), test::conv2d(random, 64, 64, 3, 3),
                          mtcnn::MaxPool{3, 3, 3, 3}, test::conv2d(random, 64, 64, 3, 3),
                          test::fully_connected(random, 64, 16)};
        const mtcnn::CropNetwork crops(network, 3, 48, 48, kernels);
        const int checks = count_checks([&](mtcnn::CancellationPoint& cancellation_point) {
            mtcnn::CropScratch scratch;
            crops.run(4, [](int, float*) {}, scratch, cancellation_point);
        });
        CHECK(checks >= 5, checks);
    });
}
