// OpenFace's networks on a real face: on every variant, all tensors have the bits of the reference.
#include <array>
#include <filesystem>
#include <fstream>

#include "check.h"
#include "mtcnn/cascade.h"
#include "numbers.h"

namespace {

// CRC-32 of the names and bytes of all tensors in execution order, from the NumPy reference for the same image and
// options. tests/core/test_hooks.py computes it again.
constexpr std::uint32_t kExpectedCrc = 0x7b6a55d5;

class Crc {
public:
    void add(const void* data, std::size_t size) {
        const auto* bytes = static_cast<const std::uint8_t*>(data);
        for (std::size_t i = 0; i < size; ++i) value_ = table()[(value_ ^ bytes[i]) & 255U] ^ (value_ >> 8);
    }
    // In row order.
    void add(const mtcnn::TensorView& view, std::size_t axis = 0, std::ptrdiff_t offset = 0) {
        if (axis == view.shape.size()) return add(static_cast<const std::uint8_t*>(view.data) + offset, 4);
        for (std::ptrdiff_t i = 0; i < view.shape[axis]; ++i) add(view, axis + 1, offset + i * view.strides[axis]);
    }
    std::uint32_t value() const { return ~value_; }

private:
    static const std::array<std::uint32_t, 256>& table() {
        static const auto values = [] {
            std::array<std::uint32_t, 256> result{};
            for (std::uint32_t i = 0; i < 256; ++i) {
                std::uint32_t v = i;
                for (int bit = 0; bit < 8; ++bit) v = (v >> 1) ^ ((v & 1U) != 0 ? 0xedb88320U : 0U);
                result[i] = v;
            }
            return result;
        }();
        return values;
    }
    std::uint32_t value_ = 0xffffffffU;
};

// Reads a binary PPM (RGB).
struct Face {
    explicit Face(const std::string& path) {
        std::ifstream file(path, std::ios::binary);
        std::string magic;
        int most = 0;
        file >> magic >> image.width >> image.height >> most;
        CHECK(magic == "P6" && most == 255, path, "cannot be read");
        file.get();
        pixels.resize(static_cast<std::size_t>(image.width * image.height * 3));
        file.read(reinterpret_cast<char*>(pixels.data()), static_cast<std::streamsize>(pixels.size()));
        CHECK(file.good(), path, "is too short");
        image.data = pixels.data();
        image.pixel_stride = 3;
        image.row_stride = std::ptrdiff_t{3} * image.width;
        image.is_rgb = true;
    }
    mtcnn::Image image;
    std::vector<std::uint8_t> pixels;
};

}  // namespace

int main() {
    const mtcnn::Model model = mtcnn::read_model(MTCNN_TEST_INDEX);
    test::run("layers of the networks", [&] {
        CHECK(model.pnet.layers.size() == 8);
        CHECK(model.rnet.layers.size() == 11);
        CHECK(model.onet.layers.size() == 14);
    });
    test::run("a face", [&] {
        const Face face(MTCNN_TEST_FACE);
        mtcnn::Options options;
        options.min_face = 24;
        for (const mtcnn::Kernels* kernels : test::variants()) {
            const mtcnn::Detector detector(model, *kernels);
            Crc crc;
            const auto found = detector.detect(face.image, options, [&](const std::string& name, const auto& view) {
                crc.add(name.data(), name.size());
                crc.add(view);
            });
            CHECK(found.boxes.size() == 1, kernels->name, found.boxes.size());
            CHECK(crc.value() == kExpectedCrc, kernels->name, std::hex, crc.value());
            for (const int threads : {1, 4}) {
                options.threads = threads;
                const auto untapped = detector.detect(face.image, options);
                CHECK(untapped.boxes.size() == 1, kernels->name, threads);
                CHECK(test::same_bits(untapped.boxes[0].x, found.boxes[0].x), kernels->name, threads);
                CHECK(test::same_bits(untapped.boxes[0].width, found.boxes[0].width), kernels->name, threads);
                CHECK(test::same_bits(untapped.scores, found.scores), kernels->name, threads);
                CHECK(untapped.landmarks == found.landmarks, kernels->name, threads);
            }
        }
    });
    test::run("missing files", [] {
        std::string message;
        const auto read = [] { mtcnn::read_model("no/such/MTCNN_detector.txt"); };
        CHECK(test::throws<mtcnn::FileNotFound>(read, &message));
        CHECK(message.find("MTCNN_detector.txt") != std::string::npos, message);
    });
    test::run("an index refers only to files in its folder", [] {
        const std::filesystem::path folder = std::filesystem::temp_directory_path() / "mtcnn_cpp_index";
        std::filesystem::create_directories(folder);
        const std::string index = (folder / "MTCNN_detector.txt").string();
        for (const std::string name : {"/etc/passwd", "../PNet.dat", "a/../../PNet.dat", "..", "a/..", "..\\PNet.dat",
                                       "\\PNet.dat", "C:\\PNet.dat", "C:PNet.dat"}) {
            std::ofstream(index) << "RNet RNet.dat\nPNet " << name << "\nONet ONet.dat\n";
            std::string message;
            CHECK(test::throws<std::invalid_argument>([&] { mtcnn::read_model(index); }, &message), name);
            CHECK(message.find("line 2: expected a FILE in the folder of this file") != std::string::npos, message);
        }
        for (const std::string name : {"./PNet.dat", "a/PNet.dat", "..PNet.dat", "a/PNet..dat"}) {
            std::ofstream(index) << "RNet RNet.dat\nPNet " << name << "\nONet ONet.dat\n";
            std::string message;
            CHECK(test::throws<mtcnn::FileNotFound>([&] { mtcnn::read_model(index); }, &message), name);
        }
        std::filesystem::remove_all(folder);
    });
    test::run("names are UTF-8", [&] {
        // "modèle-网络", independent of the character set of this source file.
        const std::string name = "mod\xC3\xA8le-\xE7\xBD\x91\xE7\xBB\x9C";
        const std::filesystem::path folder =
            std::filesystem::temp_directory_path() / std::u8string(name.begin(), name.end());
        std::filesystem::remove_all(folder);
        std::filesystem::create_directory(folder);
        const std::filesystem::path index = MTCNN_TEST_INDEX;
        for (const auto& file : std::filesystem::directory_iterator(index.parent_path())) {
            const std::string extension = file.path().extension().string();
            if (extension == ".dat" || extension == ".txt") std::filesystem::copy(file.path(), folder);
        }
        const std::u8string copied = (folder / index.filename()).u8string();
        const std::string text(copied.begin(), copied.end());
        CHECK(mtcnn::read_model(text).onet.layers.size() == 14);
        std::filesystem::remove_all(folder);
        std::string message;
        CHECK(test::throws<mtcnn::FileNotFound>([&] { mtcnn::read_model(text); }, &message));
        CHECK(message.find(name) != std::string::npos, message);
    });
}
