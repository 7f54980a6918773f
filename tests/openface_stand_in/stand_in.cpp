// A stand-in for an installed OpenFace: its public names on this package's core, so that the adapter, the backend and
// the search for the library are tested where no OpenFace is.
//
// Where the original ends the program, this ends it too (abort), so that a test sees a guard that is missing.
// MTCNN_STAND_IN, words with commas between them, makes it misbehave:
//   noise          the kernels' last bits are off, as if a BLAS had summed in another order
//   transpose=OxI  the kernels of the convolution of O maps from I are transposed
//   print          inference and detection print too (reading always does)
//   throw, throw-std, throw-int   inference and detection throw cv::Exception, std::logic_error, an int
//   extra-map      inference gives a map too many
#include "FaceDetectorMTCNN.h"

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <span>
#include <sstream>

#include "mtcnn/cascade.h"
#include "mtcnn/crop_network.h"
#include "mtcnn/kernels/dispatch.h"
#include "mtcnn/model.h"
#include "mtcnn/planar_network.h"

namespace LandmarkDetector {
namespace {

// The value of a word of MTCNN_STAND_IN, "" where it has none; nothing where it is not there.
std::optional<std::string> wish(const std::string& name) {
    const char* given = std::getenv("MTCNN_STAND_IN");
    std::istringstream words(given == nullptr ? "" : given);
    for (std::string word; std::getline(words, word, ',');) {
        if (word == name) return "";
        if (word.rfind(name + "=", 0) == 0) return word.substr(name.size() + 1);
    }
    return std::nullopt;
}

void misbehave() {
    if (wish("print")) {
        std::cout << "stand-in: said on std::cout" << std::endl;
    }
    if (wish("throw")) CV_Error(cv::Error::StsAssert, "stand-in: asked to throw");
    if (wish("throw-std")) throw std::logic_error("stand-in: asked to throw");
    if (wish("throw-int")) throw 7;
}

void transpose(mtcnn::Conv2d& conv) {
    std::vector<float> turned = conv.kernel;
    const auto k = static_cast<std::size_t>(conv.kernel_y);
    for (std::size_t pair = 0; pair < conv.kernel.size() / (k * k); ++pair) {
        for (std::size_t y = 0; y < k; ++y) {
            for (std::size_t x = 0; x < k; ++x) turned[(pair * k + y) * k + x] = conv.kernel[(pair * k + x) * k + y];
        }
    }
    conv.kernel = turned;
}

void plant_faults(mtcnn::Network& network) {
    const bool noise = wish("noise").has_value();
    const std::string turned = wish("transpose").value_or("");
    std::uint32_t drawn = 1;
    for (mtcnn::Layer& layer : network.layers) {
        auto* conv = std::get_if<mtcnn::Conv2d>(&layer);
        if (conv == nullptr) continue;
        if (turned == std::to_string(conv->out_maps) + "x" + std::to_string(conv->in_maps)) transpose(*conv);
        if (!noise) continue;
        for (float& weight : conv->kernel) {
            drawn = drawn * 1664525U + 1013904223U;
            if ((drawn >> 16 & 3U) == 0) weight = std::nextafter(weight, (drawn >> 20 & 1U) != 0 ? 9.0F : -9.0F);
        }
    }
}

bool flattens(const mtcnn::Network& network) {
    int channels = 3;
    for (const mtcnn::Layer& layer : network.layers) {
        if (const auto* conv = std::get_if<mtcnn::Conv2d>(&layer)) channels = conv->out_maps;
        if (const auto* dense = std::get_if<mtcnn::FullyConnected>(&layer)) {
            if (dense->inputs != channels) return true;
            channels = dense->outputs;
        }
    }
    return false;
}

void copy_row(const cv::Mat& image, int y, float* row, std::ptrdiff_t stride) {
    const auto* pixels = image.ptr<cv::Vec3f>(y);
    for (int x = 0; x < image.cols; ++x) {
        for (int c = 0; c < 3; ++c) row[c * stride + x] = pixels[x][2 - c];
    }
}

// The output of the last layer.
mtcnn::TensorView run(const mtcnn::Network& network, const cv::Mat& image) {
    const mtcnn::Kernels& kernels = mtcnn::select_kernels();
    mtcnn::Checkpoint checkpoint;
    mtcnn::TensorView last;
    const auto watch = [&](const std::string&, const mtcnn::TensorView& view) { last = view; };
    if (flattens(network)) {
        const mtcnn::CropNetwork crop(network, 3, image.rows, image.cols, kernels, false);
        crop.run_watched(
            [&](int, float* input) {
                const std::ptrdiff_t row = crop.row_size();
                for (int y = 0; y < image.rows; ++y) copy_row(image, y, input + std::ptrdiff_t{y} * 3 * row, row);
            },
            watch, checkpoint);
    } else {
        const mtcnn::PlanarNetwork planar(network, 3, kernels, false);
        planar.run_watched(
            image.rows, image.cols, [&](int y, float* row, std::ptrdiff_t stride) { copy_row(image, y, row, stride); },
            [](int, const float*, std::ptrdiff_t) {}, watch, checkpoint);
    }
    return last;
}

float at(const mtcnn::TensorView& view, std::initializer_list<std::ptrdiff_t> index) {
    const char* place = static_cast<const char*>(view.data);
    std::size_t axis = 0;
    for (const std::ptrdiff_t i : index) place += i * view.strides[axis++];
    return *reinterpret_cast<const float*>(place);
}

}  // namespace

struct CNN::Network {
    mtcnn::Network layers;
};

struct FaceDetectorMTCNN::Cascade {
    explicit Cascade(mtcnn::Model model) : detector(std::move(model), mtcnn::select_kernels()) {}
    mtcnn::Detector detector;
};

void CNN::Read(const std::string& location) {
    std::cout << "stand-in: reading " << location << std::endl;
    std::ifstream file(location, std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    try {
        auto read = std::make_shared<Network>();
        read->layers = mtcnn::read_network(std::as_bytes(std::span(bytes)), location);
        plant_faults(read->layers);
        network_ = read;
    } catch (const std::exception&) {
        std::cout << "stand-in: could not read " << location << std::endl;  // and goes on, as the original does
    }
}

std::size_t CNN::NumberOfLayers() { return network_ ? network_->layers.layers.size() : 0; }

std::vector<cv::Mat_<float>> CNN::Inference(const cv::Mat& input_img, bool, bool) {
    const bool usable = network_ && !input_img.empty() && input_img.type() == CV_32FC3 && cv::checkRange(input_img);
    if (!usable || !mtcnn::map_size(network_->layers, input_img.rows, input_img.cols)) std::abort();
    misbehave();
    const mtcnn::TensorView output = run(network_->layers, input_img);
    std::vector<cv::Mat_<float>> maps;
    if (output.shape.size() == 1) {  // a row after a dense layer, a column after what follows one
        const int count = static_cast<int>(output.shape[0]);
        const bool dense = std::holds_alternative<mtcnn::FullyConnected>(network_->layers.layers.back());
        cv::Mat_<float> values(dense ? 1 : count, dense ? count : 1);
        for (int i = 0; i < count; ++i) values(dense ? 0 : i, dense ? i : 0) = at(output, {i});
        maps.push_back(values);
    } else {
        for (std::ptrdiff_t c = 0; c < output.shape[0]; ++c) {
            cv::Mat_<float> map(static_cast<int>(output.shape[1]), static_cast<int>(output.shape[2]));
            for (int y = 0; y < map.rows; ++y) {
                for (int x = 0; x < map.cols; ++x) map(y, x) = at(output, {c, y, x});
            }
            maps.push_back(map);
        }
    }
    if (wish("extra-map")) maps.push_back(maps.back());
    return maps;
}

void FaceDetectorMTCNN::Read(const std::string& location) {
    std::cout << "stand-in: reading " << location << std::endl;
    std::ifstream index(location);
    const std::string folder = location.substr(0, location.find_last_of('/') + 1);
    for (std::string name, file; index >> name >> file;) {
        (name == "PNet" ? pnet_ : name == "RNet" ? rnet_ : onet_).Read(folder + file);
    }
    cascade_.reset();
    if (!pnet_.network_ || !rnet_.network_ || !onet_.network_) return;
    cascade_ =
        std::make_shared<Cascade>(mtcnn::Model{pnet_.network_->layers, rnet_.network_->layers, onet_.network_->layers});
}

bool FaceDetectorMTCNN::empty() { return !cascade_; }

bool FaceDetectorMTCNN::DetectFaces(std::vector<cv::Rect_<float>>& regions, const cv::Mat& image,
                                    std::vector<float>& confidences, int min_face, float t1, float t2, float t3) {
    const bool colours = image.type() == CV_8UC3;
    if (empty() || image.empty() || (!colours && image.type() != CV_8UC1) || min_face < 1) std::abort();
    if (std::floor(std::log(double(min_face) / std::min(image.rows, image.cols)) / std::log(0.709)) + 1 < 0) {
        std::abort();  // a vector of so many levels
    }
    misbehave();
    cv::Mat pixels(image.rows, image.cols, CV_8UC3);
    for (int y = 0; y < image.rows; ++y) {
        for (int x = 0; x < image.cols; ++x) {
            for (int c = 0; c < 3; ++c) pixels.at<cv::Vec3b>(y, x)[c] = image.ptr(y)[colours ? 3 * x + c : x];
        }
    }
    mtcnn::Options options;
    options.min_face = min_face;
    options.thresholds = {t1, t2, t3};
    const auto stride = static_cast<std::ptrdiff_t>(pixels.step[0]);
    const auto found =
        cascade_->detector.detect({pixels.data, image.rows, image.cols, stride, 3, false, false}, options);
    for (const mtcnn::Box& box : found.boxes) regions.emplace_back(box.x, box.y, box.width, box.height);
    confidences.insert(confidences.end(), found.scores.begin(), found.scores.end());
    return !regions.empty();
}

}  // namespace LandmarkDetector
