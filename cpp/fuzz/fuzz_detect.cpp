// Decodes bytes to options, an image and three small networks. Every variant must return the same bits or the same
// error; one variant is also run with three threads and with a hook.
#include <memory>
#include <stdexcept>

#include "../tests/check.h"
#include "bytes.h"
#include "small_model.h"

namespace {

// An image in memory of exactly its size, so that a sanitizer detects a read outside.
struct TestImage {
    std::unique_ptr<std::uint8_t[]> memory;
    mtcnn::Image image;
};

TestImage decode_image(fuzz::Bytes& bytes) {
    const bool floats = bytes.flag();
    const int size = floats ? 4 : 1;
    TestImage test_image;
    mtcnn::Image& image = test_image.image;
    image.floats = floats;
    image.is_rgb = bytes.flag();
    image.height = bytes.integer(1, 48);
    image.width = bytes.integer(1, 48);
    image.pixel_stride = std::ptrdiff_t{size} * bytes.integer(3, 5);
    image.row_stride = image.width * image.pixel_stride + std::ptrdiff_t{size} * bytes.integer(0, 9);
    const auto last_row = static_cast<std::size_t>((image.height - 1) * image.row_stride);
    const auto last_pixel = static_cast<std::size_t>((image.width - 1) * image.pixel_stride);
    test_image.memory = std::make_unique<std::uint8_t[]>(last_row + last_pixel + std::size_t{3} * (floats ? 4 : 1));
    image.data = test_image.memory.get();

    test::TestImage painted(image.height, image.width);
    const unsigned seed = bytes.number();
    test::paint(painted, seed);
    test::Random random(seed);
    const bool noise = bytes.flag();
    for (int y = 0; y < image.height; ++y) {
        for (int x = 0; x < image.width; ++x) {
            for (int c = 0; c < 3; ++c) {
                const int drawn = painted.pixels[test::at(y, x, c, image.width, 3)];
                const int value = noise ? random.integer(0, 255) : drawn;
                std::uint8_t* to = test_image.memory.get() + y * image.row_stride + x * image.pixel_stride + c * size;
                const float number = static_cast<float>(value) + (noise ? random.uniform(0, 1) : 0.0F);
                if (floats) std::memcpy(to, &number, sizeof number);
                if (!floats) *to = static_cast<std::uint8_t>(value);
            }
        }
    }
    return test_image;
}

mtcnn::Options decode_options(fuzz::Bytes& bytes) {
    mtcnn::Options options;
    options.min_face = 9 + bytes.byte() / 12.0;
    for (float& threshold : options.thresholds) {  // more low values, so that some boxes pass all stages
        const float root = static_cast<float>(bytes.byte()) / 255.0F;
        threshold = root * root;
    }
    options.scale_factor = bytes.integer(20, 80) / 100.0;
    const int wrong = bytes.byte();  // sometimes one option is out of range
    if (wrong == 255) options.min_face = 0.5;
    if (wrong == 254) options.thresholds[1] = test::kNaN;
    if (wrong == 253) options.scale_factor = 1;
    return options;
}

struct Outcome {
    mtcnn::Detections found;
    std::string rejected;
};

Outcome outcome(const mtcnn::Detector& detector, const mtcnn::Image& image, const mtcnn::Options& options,
                const mtcnn::Hook& hook = {}) {
    try {
        return {detector.detect(image, options, hook), {}};
    } catch (const std::invalid_argument& error) {
        if (error.what()[0] == '\0') fuzz::finding("rejected without a message");
        return {{}, error.what()};
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Bytes bytes(std::span(data, size));
    mtcnn::Options options = decode_options(bytes);
    const TestImage test_image = decode_image(bytes);
    const mtcnn::Model model = fuzz::small_model(bytes);
    const std::vector<const mtcnn::Kernels*>& variants = test::variants();
    const mtcnn::Kernels* chosen = variants[static_cast<std::size_t>(bytes.byte()) % variants.size()];
    Outcome first;
    for (const mtcnn::Kernels* kernels : variants) {
        const mtcnn::Detector detector(model, *kernels);
        const auto check = [&](const Outcome& now, const char* how) {
            if (now.rejected != first.rejected || !test::same_bits(now.found, first.found)) {
                fuzz::finding(std::string(kernels->name) + ", " + how + ": another result than " + variants[0]->name);
            }
        };
        options.threads = 1;
        const Outcome now = outcome(detector, test_image.image, options);
        if (kernels == variants[0]) first = now;
        check(now, "1 thread");
        if (kernels != chosen) continue;  // threads and the hook: one variant per input
        options.threads = 3;
        check(outcome(detector, test_image.image, options), "3 threads");
        check(outcome(detector, test_image.image, options, [](const std::string&, const mtcnn::TensorView&) {}),
              "hook");
    }
    return 0;
}
