// Complete detections: the same bits from every variant, for any number of threads, with and without a hook.
#include <algorithm>
#include <map>
#include <stdexcept>

#include "check.h"
#include "guarded.h"
#include "random_model.h"

namespace {

using mtcnn::Detections;
using mtcnn::Detector;
using mtcnn::Image;
using mtcnn::Options;
using mtcnn::TensorView;

// Values of a view in row order.
std::vector<float> values_of(const TensorView& view) {
    std::vector<float> values;
    std::vector<std::ptrdiff_t> index(view.shape.size());
    if (std::find(view.shape.begin(), view.shape.end(), 0) != view.shape.end()) return values;
    const auto* data = static_cast<const std::uint8_t*>(view.data);
    for (;;) {
        std::ptrdiff_t offset = 0;
        for (std::size_t i = 0; i < index.size(); ++i) offset += index[i] * view.strides[i];
        float value = 0;
        std::memcpy(&value, data + offset, sizeof value);
        values.push_back(value);
        std::size_t axis = index.size();
        while (axis > 0 && ++index[axis - 1] == view.shape[axis - 1]) index[--axis] = 0;
        if (axis == 0) return values;
    }
}

struct Recording {
    std::vector<std::string> names;
    std::map<std::string, std::vector<float>> tensors;
    std::vector<TensorView> kept;  // kept until after the detection
};

Detections record(const Detector& detector, const Image& image, const Options& options, Recording& recording) {
    return detector.detect(image, options, [&](const std::string& name, const TensorView& view) {
        CHECK(!recording.tensors.contains(name), name, "came twice");
        recording.names.push_back(name);
        recording.tensors[name] = values_of(view);
        recording.kept.push_back(view);
    });
}

Options options_for(double min_face, std::array<float, 3> thresholds = {0.6F, 0.4F, 0.3F}) {
    Options options;
    options.min_face = min_face;
    options.thresholds = thresholds;
    return options;
}

// Runs every variant with 1, 2, 3 and 7 threads, with and without a hook, and compares each with the first result.
// Returns the number of faces.
std::size_t check_image(const mtcnn::Model& model, const Image& image, Options options, const std::string& what) {
    Detections first;
    Recording first_recording;
    for (const mtcnn::Kernels* kernels : test::variants()) {
        const Detector detector(model, *kernels);
        Recording recording;
        const Detections recorded = record(detector, image, options, recording);
        if (kernels == test::variants()[0]) {
            first = recorded;
            first_recording = recording;
        }
        CHECK(test::same_bits(recorded, first), what, kernels->name);
        CHECK(recording.names == first_recording.names, what, kernels->name);
        for (std::size_t i = 0; i < recording.names.size(); ++i) {
            const std::string& name = recording.names[i];
            CHECK(test::same_bits(recording.tensors[name], first_recording.tensors[name]), what, kernels->name, name);
            CHECK(test::same_bits(values_of(recording.kept[i]), recording.tensors[name]), what, name,
                  "changed afterwards");
        }
        for (const int threads : {1, 2, 3, 7}) {
            options.threads = threads;
            mtcnn::Profile profile;
            CHECK(test::same_bits(detector.detect(image, options, {}, &profile), first), what, kernels->name, threads);
            CHECK(static_cast<std::size_t>(profile.boxes_into_rnet) * 4 == recording.tensors["rnet/boxes_in"].size());
            CHECK(static_cast<std::size_t>(profile.boxes_into_onet) * 4 == recording.tensors["onet/boxes_in"].size());
        }
    }
    return first.boxes.size();
}

void check_option_rejected(const mtcnn::Model& model, const Options& options, const std::string& name) {
    const Detector detector(model, *test::variants()[0]);
    const test::TestImage test_image(20, 20);
    std::string message;
    CHECK(test::throws<std::invalid_argument>([&] { detector.detect(test_image.image, options); }, &message), name);
    CHECK(message.find(name) != std::string::npos, message);
}

}  // namespace

int main() {
    const mtcnn::Model model = test::random_model(33);
    test::run("images", [&] {
        std::size_t faces = 0;
        for (const unsigned seed : {10U, 16U, 23U, 33U}) {
            test::Random random(seed);
            test::TestImage test_image(random.integer(40, 70), random.integer(40, 90));
            test::paint(test_image, seed);
            const Options options = options_for(random.integer(17, 26));
            faces += check_image(test::random_model(seed), test_image.image, options, "model " + std::to_string(seed));
        }
        CHECK(faces > 20, faces, "in all");
    });
    test::run("odd sizes", [&] {
        for (const auto& [height, width] :
             {std::pair(1, 1), {5, 5}, {11, 11}, {12, 12}, {1, 400}, {400, 1}, {13, 97}}) {
            test::TestImage test_image(height, width);
            test::paint(test_image, 3);
            for (const double min_face : {1.0, 2.5, 12.0, 60.0}) {
                if (height * width > 150 && min_face < 12) continue;
                check_image(model, test_image.image, options_for(min_face), "odd size");
            }
        }
        const test::TestImage strip(1, 10000);
        check_image(model, strip.image, options_for(12), "strip");
    });
    test::run("black, white, checkerboard", [&] {
        test::TestImage test_image(50, 70);
        check_image(model, test_image.image, options_for(22), "black");
        std::fill(test_image.pixels.begin(), test_image.pixels.end(), std::uint8_t{255});
        check_image(model, test_image.image, options_for(22), "white");
        for (std::size_t i = 0; i < test_image.pixels.size(); ++i) {
            test_image.pixels[i] = (i / 3 + i / 210) % 2 == 0 ? 255 : 0;
        }
        check_image(model, test_image.image, options_for(22), "checkerboard");
    });
    test::run("thresholds of 0 and 1", [&] {
        test::TestImage test_image(24, 30);
        test::paint(test_image, 5);
        CHECK(check_image(model, test_image.image, options_for(12, {0, 0, 0}), "all") > 0);
        CHECK(check_image(model, test_image.image, options_for(12, {1, 1, 1}), "none") == 0);
    });
    test::run("the same image in another memory layout", [&] {
        constexpr int kHeight = 47;
        constexpr int kWidth = 61;
        test::TestImage test_image(kHeight, kWidth);
        test::paint(test_image, 9);
        const Detector detector(model, *test::variants().back());
        const Options options = options_for(14);
        const Detections expected = detector.detect(test_image.image, options);
        CHECK(!expected.boxes.empty());
        for (const bool floats : {false, true}) {
            for (const int colours : {3, 4}) {
                for (const bool is_rgb : {false, true}) {
                    for (const bool at_start : {false, true}) {
                        const int size = floats ? 4 : 1;
                        const int row = (kWidth * colours + 5) * size;
                        const test::Guarded memory(
                            static_cast<std::size_t>((kHeight - 1) * row + ((kWidth - 1) * colours + 3) * size),
                            at_start);
                        for (int y = 0; y < kHeight; ++y) {
                            for (int x = 0; x < kWidth; ++x) {
                                for (int c = 0; c < 3; ++c) {
                                    const std::uint8_t byte = test_image.pixels[test::at(y, x, c, kWidth, 3)];
                                    std::uint8_t* to =
                                        memory.data() + y * row + (x * colours + (is_rgb ? 2 - c : c)) * size;
                                    const float number = byte;
                                    if (floats) std::memcpy(to, &number, sizeof number);
                                    if (!floats) *to = byte;
                                }
                            }
                        }
                        const Image image{memory.data(), kHeight, kWidth, row, colours * size, floats, is_rgb};
                        CHECK(test::same_bits(detector.detect(image, options), expected), floats, colours, is_rgb);
                    }
                }
            }
        }
    });
    test::run("options out of range", [&] {
        const float large = std::numeric_limits<float>::infinity();
        for (const double min_face : {0.99, -60.0, double{test::kNaN}, double{large}}) {
            check_option_rejected(model, options_for(min_face), "min_face");
        }
        for (const float t : {-0.01F, 1.01F, test::kNaN, large}) {
            for (std::size_t i = 0; i < 3; ++i) {
                Options options;
                options.thresholds[i] = t;
                check_option_rejected(model, options, "thresholds");
            }
        }
        for (const double factor : {0.0, 1.0, -1.0, 2.0, double{test::kNaN}}) {
            Options options;
            options.scale_factor = factor;
            check_option_rejected(model, options, "scale_factor");
        }
        for (const int threads : {0, -1}) {
            Options options;
            options.threads = threads;
            check_option_rejected(model, options, "threads");
        }
    });
    test::run("networks in the wrong place", [&] {
        const auto check_network_rejected = [](const mtcnn::Model& wrong, const char* name) {
            std::string message;
            CHECK(test::throws<std::invalid_argument>([&] { Detector(wrong, *test::variants()[0]); }, &message));
            CHECK(message.rfind(name, 0) == 0, message);
        };
        check_network_rejected({model.rnet, model.rnet, model.onet}, "PNet: ");
        check_network_rejected({model.pnet, model.pnet, model.onet}, "RNet: ");
        check_network_rejected({model.pnet, model.rnet, model.rnet}, "ONet: ");
        check_network_rejected({{}, model.rnet, model.onet}, "PNet: ");
    });
}
