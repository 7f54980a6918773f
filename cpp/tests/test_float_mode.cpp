// The floating-point mode of the caller changes no bit of a result, and a detection restores it.
#include <stdexcept>
#include <thread>

#include "check.h"
#include "float_modes.h"
#include "mtcnn/float_mode.h"
#include "mtcnn/packing.h"
#include "mtcnn/task_group.h"
#include "random_model.h"

namespace {

using mtcnn::Detections;
using mtcnn::Detector;
using test::InMode;

// The first convolution of each network produces subnormal numbers, the second one makes them large again.
mtcnn::Model model_with_subnormals() {
    mtcnn::Model model = test::random_model(33);
    for (mtcnn::Network* network : {&model.pnet, &model.rnet, &model.onet}) {
        int number = 0;
        for (mtcnn::Layer& layer : network->layers) {
            auto* conv = std::get_if<mtcnn::Conv2d>(&layer);
            if (conv == nullptr || number > 1) continue;
            const int exponent = number++ == 0 ? -128 : 127;
            for (float& v : conv->kernel) v = std::ldexp(v, exponent);
            if (exponent < 0) {
                for (float& v : conv->bias) v = std::ldexp(v, exponent);
            }
        }
    }
    return model;
}

mtcnn::Options options_for(int threads) {
    mtcnn::Options options;
    options.min_face = 14;
    options.thresholds = {0.5F, 0.3F, 0.2F};
    options.threads = threads;
    return options;
}

}  // namespace

int main() {
    test::TestImage test_image(36, 44);  // small, because CPUs are slow for subnormal numbers
    test::paint(test_image, 1);
    for (const auto& [model, what] : {std::pair(test::random_model(33), "plain numbers"),
                                      std::pair(model_with_subnormals(), "subnormal numbers")}) {
        test::run(std::string("detections, ") + what, [&, &model = model] {
            for (const mtcnn::Kernels* kernels : test::variants()) {
                const Detector detector(model, *kernels);
                const Detections expected = detector.detect(test_image.image, options_for(1));
                CHECK(expected.boxes.size() > 3, kernels->name, expected.boxes.size());
                for (const test::Mode& mode : test::modes()) {
                    for (const int threads : {1, 3}) {
                        Detections found;
                        Detections found_by_fresh;
                        bool kept = false;
                        {
                            const InMode in_mode(mode);
                            found = detector.detect(test_image.image, options_for(threads));
                            if (threads == 1) {
                                found_by_fresh = Detector(model, *kernels).detect(test_image.image, options_for(1));
                            }
                            kept = in_mode.holds();
                        }
                        CHECK(test::same_bits(found, expected), kernels->name, mode.name, threads);
                        CHECK(threads > 1 || test::same_bits(found_by_fresh, expected), kernels->name, mode.name);
                        CHECK(kept, "the mode was changed", kernels->name, mode.name, threads);
                    }
                }
            }
        });
    }
    test::run("a hook runs in the caller's mode, and its changes persist", [&] {
        const Detector detector(model_with_subnormals(), *test::variants().back());
        const Detections expected = detector.detect(test_image.image, options_for(1));
        for (const test::Mode& mode : test::modes()) {
            Detections found;
            int calls = 0;
            int in_the_mode = 0;
            bool changed = false;
            {
                const InMode in_mode(mode);
                found = detector.detect(test_image.image, options_for(1),
                                        [&](const std::string& name, const mtcnn::TensorView&) {
                                            ++calls;
                                            in_the_mode += in_mode.holds() || changed ? 1 : 0;
                                            if (name != "rnet/boxes_in") return;
                                            std::fesetround(FE_DOWNWARD);
                                            changed = true;
                                        });
                CHECK(test::rounding() == FE_DOWNWARD && test::flushes() == mode.flush, mode.name);
            }
            CHECK(calls > 100 && in_the_mode == calls, mode.name, calls, in_the_mode);
            CHECK(test::same_bits(found, expected), mode.name);
        }
    });
    test::run("an error restores the caller's mode", [&] {
        const Detector detector(test::random_model(33), *test::variants().back());
        for (const test::Mode& mode : test::modes()) {
            const InMode in_mode(mode);
            const auto hook = [](const std::string&, const mtcnn::TensorView&) {
                throw std::runtime_error("the hook");
            };
            CHECK(test::throws<std::runtime_error>([&] { detector.detect(test_image.image, options_for(1), hook); }));
            CHECK(in_mode.holds(), mode.name);
            CHECK(test::throws<std::invalid_argument>([&] { detector.detect(test_image.image, options_for(0)); }));
            CHECK(in_mode.holds(), mode.name);
        }
    });
    test::run("workers have the default mode, independent of their caller", [] {
        for (const test::Mode& mode : test::modes()) {
            std::atomic<int> wrong = 0;
            std::atomic<int> helped = 0;
            {
                const InMode in_mode(mode);
                mtcnn::TaskGroup task_group;
                task_group.run(3, 3, [&](int, int worker) {
                    if (worker == 0) {
                        // The workers run the remaining tasks.
                        while (helped < 2) std::this_thread::yield();
                        return;
                    }
                    ++helped;
                    if (!test::is_default()) ++wrong;
                    while (helped < 2) std::this_thread::yield();
                });
            }
            // Three if the caller was too late for a task.
            CHECK(helped >= 2 && wrong == 0, mode.name, wrong);
        }
    });
    test::run("weights are widened without rounding", [] {
        const std::vector<float> weights = {0.1F, 1e-40F, -1e-45F};
        for (const test::Mode& mode : test::modes()) {
            const InMode in_mode(mode);
            const mtcnn::Buffer<double> wide = mtcnn::widened(weights);
            CHECK(std::bit_cast<std::uint64_t>(wide.data()[0]) == 0x3FB99999A0000000, mode.name);
            CHECK(std::bit_cast<std::uint64_t>(wide.data()[1]) == 0x37A16C2000000000, mode.name);
            CHECK(std::bit_cast<std::uint64_t>(wide.data()[2]) == 0xB6A0000000000000, mode.name);
            CHECK(in_mode.holds(), mode.name);
        }
    });
    test::run("doubles in a file are rounded to nearest", [] {
        std::vector<std::byte> data;
        const auto put = [&](const auto& value) {
            for (std::size_t i = 0; i < sizeof value; ++i) {
                data.push_back(reinterpret_cast<const std::byte*>(&value)[i]);
            }
        };
        // One PReLU layer with two slopes, float64.
        for (const std::int32_t number : {1, 3, 2, 1, 6}) put(number);
        for (const double slope : {0.1, 1e-40}) put(slope);
        for (const test::Mode& mode : test::modes()) {
            const InMode in_mode(mode);
            const mtcnn::Network network = mtcnn::read_network(data, "file");
            const auto& slopes = std::get<mtcnn::PReLU>(network.layers[0]).slopes;
            CHECK(std::bit_cast<std::uint32_t>(slopes[0]) == 0x3DCCCCCD, mode.name);
            CHECK(std::bit_cast<std::uint32_t>(slopes[1]) == 0x000116C2, mode.name);
            CHECK(in_mode.holds(), mode.name);
        }
    });
}
