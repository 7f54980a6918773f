// Detections that are ended before their time: at once wherever they are, by the right exception, and the detector goes
// on. And long work looks often enough.
#include <stdexcept>
#include <thread>

#include "check.h"
#include "mtcnn/parallel.h"
#include "mtcnn/proposals.h"
#include "random_model.h"

namespace {

using mtcnn::Detector;
using mtcnn::Interruption;

struct Ended : std::exception {};

// Polls at every look, counts, and does something at look number `at`.
struct Poll {
    int calls = 0;
    int at = -1;
    std::function<void()> action = [] { throw Ended(); };
    const mtcnn::Stop* stop = nullptr;

    Interruption interruption() {
        return {stop,
                [this] {
                    if (++calls == at) action();
                },
                std::chrono::milliseconds(0)};
    }
};

// How often the work looks, and whether it ends at each of these looks.
template <class Work>
int looks_of(const Work& work) {
    const auto run = [&](Poll& poll) {
        const Interruption interruption = poll.interruption();
        mtcnn::Alarm alarm(interruption);
        mtcnn::Checkpoint checkpoint(alarm, true);
        work(checkpoint);
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
    test::Picture picture(300, 400);
    test::paint(picture, 1);
    const mtcnn::Detections expected = detector.detect(picture.image, options_for(1));
    CHECK(expected.boxes.size() > 10);

    test::run("a poll that throws ends the detection by its exception", [&] {
        for (const int threads : {1, 3}) {
            Poll all;
            const auto found = detector.detect(picture.image, options_for(threads), {}, nullptr, all.interruption());
            CHECK(test::same_bits(found, expected), threads);
            CHECK(all.calls > (threads == 1 ? 30 : 2), threads, all.calls);
            for (const int at : {1, 2, all.calls / 3, all.calls / 2, all.calls - 1}) {
                if (at < 1 || (threads > 1 && at > 3)) continue;
                Poll poll;
                poll.at = at;
                CHECK(test::throws<Ended>([&] {
                          detector.detect(picture.image, options_for(threads), {}, nullptr, poll.interruption());
                      }),
                      threads, at);
                CHECK(poll.calls == at, "polled on", threads, at, poll.calls);
                CHECK(test::same_bits(detector.detect(picture.image, options_for(threads)), expected), threads, at);
            }
        }
    });
    test::run("a stop that is set during the detection ends it", [&] {
        for (const int threads : {1, 3}) {
            for (const int at : {1, 2}) {
                mtcnn::Stop stop;
                Poll poll;
                poll.at = at;
                poll.action = [&] { stop.set(); };
                poll.stop = &stop;
                CHECK(test::throws<mtcnn::Stopped>([&] {
                          detector.detect(picture.image, options_for(threads), {}, nullptr, poll.interruption());
                      }),
                      threads, at);
                CHECK(poll.calls == at, "polled on", threads, at, poll.calls);
                CHECK(stop.is_set());
                CHECK(test::same_bits(detector.detect(picture.image, options_for(threads)), expected), threads, at);
            }
        }
    });
    test::run("a stop that was set before, and one that a tap sets", [&] {
        mtcnn::Stop stop;
        int taps = 0;
        const auto tap = [&](const std::string& name, const mtcnn::TensorView&) {
            ++taps;
            if (name == "pnet/level01/conv1") stop.set();
        };
        const Interruption interruption{&stop, {}, {}};
        for (const int expected_taps : {15, 0}) {
            taps = 0;
            CHECK(test::throws<mtcnn::Stopped>(
                [&] { detector.detect(picture.image, options_for(1), tap, nullptr, interruption); }));
            CHECK(taps == expected_taps, taps);
        }
        CHECK(test::throws<mtcnn::Stopped>(
            [&] { detector.detect(picture.image, options_for(3), {}, nullptr, interruption); }));
    });
    test::run("who waits for his helpers looks too, and they hear of it", [] {
        for (const bool by_stop : {false, true}) {
            mtcnn::Stop stop;
            Poll poll;
            poll.at = 3;
            poll.stop = &stop;
            if (by_stop) poll.action = [&] { stop.set(); };
            const Interruption interruption = poll.interruption();
            mtcnn::Alarm alarm(interruption);
            std::atomic<int> done = 0;
            bool thrown = false;
            const auto work = [&] {
                mtcnn::Team team(alarm);
                team.run(2, 2, [&](int, int worker) {
                    if (worker == 0) {
                        while (done == 0) std::this_thread::yield();  // until the helper has begun
                        return;
                    }
                    mtcnn::Checkpoint checkpoint(alarm, false);
                    for (; done < 30000; ++done) {
                        std::this_thread::sleep_for(std::chrono::milliseconds(1));
                        checkpoint.look();
                    }
                });
            };
            thrown = by_stop ? test::throws<mtcnn::Stopped>(work) : test::throws<std::exception>(work);
            CHECK(thrown, by_stop);
            CHECK(done < 30000, "the helper worked to the end");
            CHECK(poll.calls == 3, poll.calls);
        }
    });
    test::run("a failure on a helper ends the others", [] {
        const Interruption interruption;
        mtcnn::Alarm alarm(interruption);
        std::atomic<int> done = 0;
        const auto work = [&] {
            mtcnn::Team team(alarm);
            team.run(2, 2, [&](int, int worker) {
                if (worker == 1) throw Ended();
                mtcnn::Checkpoint checkpoint(alarm, true);
                for (; done < 30000; ++done) {
                    std::this_thread::sleep_for(std::chrono::milliseconds(1));
                    checkpoint.look();
                }
            });
        };
        CHECK(test::throws<Ended>(work), "another exception");
        CHECK(done < 30000);
    });
    test::run("suppression looks while it sorts and while it compares", [] {
        test::Random random(1);
        std::vector<mtcnn::Box> boxes;
        std::vector<float> scores;
        for (int i = 0; i < 300000; ++i) {
            boxes.push_back({static_cast<float>(i % 1000) * 20, static_cast<float>(i) / 1000 * 20, 12, 12});
            scores.push_back(random.uniform());
        }
        const auto suppress = [&](std::size_t count) {
            return looks_of([&, count](mtcnn::Checkpoint& checkpoint) {
                mtcnn::non_maximum_suppression({boxes.data(), count}, {scores.data(), count}, 0.5F,
                                               mtcnn::Overlap::kUnion, checkpoint);
            });
        };
        CHECK(suppress(boxes.size()) > 5, suppress(boxes.size()));
        // Boxes without an area: every one meets every other.
        for (mtcnn::Box& box : boxes) box.width = 0;
        CHECK(suppress(6000) > 10, suppress(6000));
    });
    test::run("candidates become boxes", [] {
        mtcnn::Candidates bands[2];
        for (mtcnn::Candidates& band : bands) {
            for (int i = 0; i < 500000; ++i) band.add({i % 999, i / 999, 0.5F, {}});
        }
        const int looks = looks_of([&](mtcnn::Checkpoint& checkpoint) {
            mtcnn::Candidates given[] = {bands[0], bands[1]};  // they are given up
            mtcnn::ProposalScratch scratch;
            CHECK(mtcnn::to_proposals(given, 999, 0.5, scratch, checkpoint).boxes.size() == 1000000);
        });
        CHECK(looks > 3, looks);
    });
    test::run("one wide row of an image, resampled", [&] {
        const test::Picture wide(4, 500);
        for (const int width : {3000000, 500}) {  // another size, and the same
            const int rows = width == 500 ? 20000 : 1;
            const int looks = looks_of([&](mtcnn::Checkpoint& checkpoint) {
                mtcnn::Resampler resampler(kernels, checkpoint);
                std::vector<float> out(static_cast<std::size_t>(3 * mtcnn::padded(width)));
                resampler.prepare(wide.image, mtcnn::whole(wide.image), width == 500 ? 4 : 3, width);
                for (int y = 0; y < rows; ++y) resampler.row(y % 3, out.data(), mtcnn::padded(width));
            });
            CHECK(looks > (width == 500 ? 5 : 14), width, looks);
        }
    });
    test::run("one wide row of a network", [&] {
        test::Random random(2);
        mtcnn::Network network;
        network.layers = {test::conv2d(random, 3, 64, 5, 5)};
        const mtcnn::PlanarNetwork planar(network, 3, kernels, true);
        const int looks = looks_of([&](mtcnn::Checkpoint& checkpoint) {
            mtcnn::PlanarScratch scratch;
            planar.run(
                5, 100000, 0, 1, [](int, float*, std::ptrdiff_t) {}, [](int, const float*, std::ptrdiff_t) {}, scratch,
                checkpoint);
        });
        CHECK(looks > 4, looks);
    });
    test::run("a group of crops", [&] {
        test::Random random(2);
        mtcnn::Network network;
        network.layers = {test::conv2d(random, 3, 64, 3, 3), test::conv2d(random, 64, 64, 3, 3),
                          mtcnn::MaxPool{3, 3, 3, 3}, test::conv2d(random, 64, 64, 3, 3), test::dense(random, 64, 16)};
        const mtcnn::CropNetwork crops(network, 3, 48, 48, kernels, true);
        const int looks = looks_of([&](mtcnn::Checkpoint& checkpoint) {
            mtcnn::CropScratch scratch;
            crops.run(4, [](int, float*) {}, scratch, checkpoint);
        });
        CHECK(looks >= 5, looks);
    });
}
