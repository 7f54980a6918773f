// Whole detections: the same bits from every variant, with any number of threads, with a tap and without.
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

struct Seen {
    std::vector<std::string> names;
    std::map<std::string, std::vector<float>> tensors;
    std::vector<TensorView> kept;  // still there when the detection is over
};

Detections watch(const Detector& detector, const Image& image, const Options& options, Seen& seen) {
    return detector.detect(image, options, [&](const std::string& name, const TensorView& view) {
        CHECK(!seen.tensors.contains(name), name, "came twice");
        seen.names.push_back(name);
        seen.tensors[name] = values_of(view);
        seen.kept.push_back(view);
    });
}

Options options_for(double min_face, std::array<float, 3> thresholds = {0.6F, 0.4F, 0.3F}) {
    Options options;
    options.min_face = min_face;
    options.thresholds = thresholds;
    return options;
}

// Every variant, 1, 2, 3 and 7 threads, tap and no tap: all as the first. Returns the number of faces.
std::size_t check_picture(const mtcnn::Model& model, const Image& image, Options options, const std::string& what) {
    Detections first;
    Seen first_seen;
    for (const mtcnn::Kernels* kernels : test::variants()) {
        const Detector detector(model, *kernels);
        Seen seen;
        const Detections watched = watch(detector, image, options, seen);
        if (kernels == test::variants()[0]) {
            first = watched;
            first_seen = seen;
        }
        CHECK(test::same_bits(watched, first), what, kernels->name);
        CHECK(seen.names == first_seen.names, what, kernels->name);
        for (std::size_t i = 0; i < seen.names.size(); ++i) {
            const std::string& name = seen.names[i];
            CHECK(test::same_bits(seen.tensors[name], first_seen.tensors[name]), what, kernels->name, name);
            CHECK(test::same_bits(values_of(seen.kept[i]), seen.tensors[name]), what, name, "changed afterwards");
        }
        for (const int threads : {1, 2, 3, 7}) {
            options.threads = threads;
            mtcnn::Profile profile;
            CHECK(test::same_bits(detector.detect(image, options, {}, &profile), first), what, kernels->name, threads);
            CHECK(static_cast<std::size_t>(profile.boxes_into_rnet) * 4 == seen.tensors["rnet/boxes_in"].size());
            CHECK(static_cast<std::size_t>(profile.boxes_into_onet) * 4 == seen.tensors["onet/boxes_in"].size());
        }
    }
    return first.boxes.size();
}

void check_refused(const mtcnn::Model& model, const Options& options, const std::string& name) {
    const Detector detector(model, *test::variants()[0]);
    const test::Picture picture(20, 20);
    std::string message;
    CHECK(test::throws<std::invalid_argument>([&] { detector.detect(picture.image, options); }, &message), name);
    CHECK(message.find(name) != std::string::npos, message);
}

}  // namespace

int main() {
    const mtcnn::Model model = test::random_model(33);
    test::run("pictures", [&] {
        std::size_t faces = 0;
        for (const unsigned seed : {10U, 16U, 23U, 33U}) {
            test::Random random(seed);
            test::Picture picture(random.integer(40, 70), random.integer(40, 90));
            test::paint(picture, seed);
            const Options options = options_for(random.integer(17, 26));
            faces += check_picture(test::random_model(seed), picture.image, options, "model " + std::to_string(seed));
        }
        CHECK(faces > 20, faces, "in all");
    });
    test::run("odd sizes", [&] {
        for (const auto& [height, width] :
             {std::pair(1, 1), {5, 5}, {11, 11}, {12, 12}, {1, 400}, {400, 1}, {13, 97}}) {
            test::Picture picture(height, width);
            test::paint(picture, 3);
            for (const double min_face : {1.0, 2.5, 12.0, 60.0}) {
                if (height * width > 150 && min_face < 12) continue;
                check_picture(model, picture.image, options_for(min_face), "odd size");
            }
        }
        const test::Picture strip(1, 10000);
        check_picture(model, strip.image, options_for(12), "strip");
    });
    test::run("black, white, checkerboard", [&] {
        test::Picture picture(50, 70);
        check_picture(model, picture.image, options_for(22), "black");
        std::fill(picture.pixels.begin(), picture.pixels.end(), std::uint8_t{255});
        check_picture(model, picture.image, options_for(22), "white");
        for (std::size_t i = 0; i < picture.pixels.size(); ++i) {
            picture.pixels[i] = (i / 3 + i / 210) % 2 == 0 ? 255 : 0;
        }
        check_picture(model, picture.image, options_for(22), "checkerboard");
    });
    test::run("thresholds of 0 and 1", [&] {
        test::Picture picture(24, 30);
        test::paint(picture, 5);
        CHECK(check_picture(model, picture.image, options_for(12, {0, 0, 0}), "all") > 0);
        CHECK(check_picture(model, picture.image, options_for(12, {1, 1, 1}), "none") == 0);
    });
    test::run("the same picture in other memory", [&] {
        constexpr int kHeight = 47;
        constexpr int kWidth = 61;
        test::Picture picture(kHeight, kWidth);
        test::paint(picture, 9);
        const Detector detector(model, *test::variants().back());
        const Options options = options_for(14);
        const Detections expected = detector.detect(picture.image, options);
        CHECK(!expected.boxes.empty());
        for (const bool floats : {false, true}) {
            for (const int colours : {3, 4}) {
                for (const bool red_first : {false, true}) {
                    for (const bool at_start : {false, true}) {
                        const int size = floats ? 4 : 1;
                        const int row = (kWidth * colours + 5) * size;
                        const test::Guarded memory(
                            static_cast<std::size_t>((kHeight - 1) * row + ((kWidth - 1) * colours + 3) * size),
                            at_start);
                        for (int y = 0; y < kHeight; ++y) {
                            for (int x = 0; x < kWidth; ++x) {
                                for (int c = 0; c < 3; ++c) {
                                    const std::uint8_t byte = picture.pixels[test::at(y, x, c, kWidth, 3)];
                                    std::uint8_t* to =
                                        memory.data() + y * row + (x * colours + (red_first ? 2 - c : c)) * size;
                                    const float number = byte;
                                    if (floats) std::memcpy(to, &number, sizeof number);
                                    if (!floats) *to = byte;
                                }
                            }
                        }
                        const Image image{memory.data(), kHeight, kWidth, row, colours * size, floats, red_first};
                        CHECK(test::same_bits(detector.detect(image, options), expected), floats, colours, red_first);
                    }
                }
            }
        }
    });
    test::run("options out of range", [&] {
        const float large = std::numeric_limits<float>::infinity();
        for (const double min_face : {0.99, -60.0, double{test::kNaN}, double{large}}) {
            check_refused(model, options_for(min_face), "min_face");
        }
        for (const float t : {-0.01F, 1.01F, test::kNaN, large}) {
            for (std::size_t i = 0; i < 3; ++i) {
                Options options;
                options.thresholds[i] = t;
                check_refused(model, options, "thresholds");
            }
        }
        for (const double factor : {0.0, 1.0, -1.0, 2.0, double{test::kNaN}}) {
            Options options;
            options.scale_factor = factor;
            check_refused(model, options, "scale_factor");
        }
        for (const int threads : {0, -1}) {
            Options options;
            options.threads = threads;
            check_refused(model, options, "threads");
        }
    });
    test::run("networks in the wrong place", [&] {
        const auto refused = [](const mtcnn::Model& wrong, const char* name) {
            std::string message;
            CHECK(test::throws<std::invalid_argument>([&] { Detector(wrong, *test::variants()[0]); }, &message));
            CHECK(message.rfind(name, 0) == 0, message);
        };
        refused({model.rnet, model.rnet, model.onet}, "PNet: ");
        refused({model.pnet, model.pnet, model.onet}, "RNet: ");
        refused({model.pnet, model.rnet, model.rnet}, "ONet: ");
        refused({{}, model.rnet, model.onet}, "PNet: ");
    });
}
