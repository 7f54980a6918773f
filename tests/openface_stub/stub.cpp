// A stub of an installed OpenFace: its public names on top of this package's core, to test the adapter, the backend and
// the search for the library without OpenFace. The faults of StubFaults.h can be planted. Where the original ends the
// program, the stub calls abort(), so that a test notices a missing guard.
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "FaceDetectorMTCNN.h"
#include "StubFaults.h"
#include "mtcnn/cascade.h"
#include "mtcnn/crop_network.h"
#include "mtcnn/kernels/dispatch.h"
#include "mtcnn/model.h"
#include "mtcnn/planar_network.h"

namespace LandmarkDetector {
namespace {

void plant_faults(mtcnn::Network& network) {
    stub::KernelFaults faults;
    for (mtcnn::Layer& layer : network.layers) {
        auto* conv = std::get_if<mtcnn::Conv2d>(&layer);
        if (conv != nullptr) faults.plant(conv->kernel, conv->out_maps, conv->in_maps, conv->kernel_y);
    }
}

bool flattens(const mtcnn::Network& network) {
    int channels = 3;
    for (const mtcnn::Layer& layer : network.layers) {
        if (const auto* conv = std::get_if<mtcnn::Conv2d>(&layer)) channels = conv->out_maps;
        if (const auto* fc = std::get_if<mtcnn::FullyConnected>(&layer)) {
            if (fc->inputs != channels) return true;
            channels = fc->outputs;
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
    mtcnn::CancellationPoint cancellation_point;
    mtcnn::TensorView last;
    const auto hook = [&](const std::string&, const mtcnn::TensorView& view) { last = view; };
    if (flattens(network)) {
        const mtcnn::CropNetwork crop(network, 3, image.rows, image.cols, kernels);
        crop.run_with_hook(
            [&](int, float* input) {
                const std::ptrdiff_t row = crop.row_size();
                for (int y = 0; y < image.rows; ++y) copy_row(image, y, input + std::ptrdiff_t{y} * 3 * row, row);
            },
            hook, cancellation_point);
    } else {
        const mtcnn::PlanarNetwork planar(network, 3, kernels);
        planar.run_with_hook(
            image.rows, image.cols, [&](int y, float* row, std::ptrdiff_t stride) { copy_row(image, y, row, stride); },
            [](int, const float*, std::ptrdiff_t) {}, hook, cancellation_point);
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

CNN::CNN(const CNN& other) = default;

void CNN::Read(const std::string& location) {
    std::cout << "stub: reading " << location << std::endl;
    std::ifstream file(location, std::ios::binary);
    const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
    try {
        auto read = std::make_shared<Network>();
        read->layers = mtcnn::read_network(std::as_bytes(std::span(bytes)), location);
        plant_faults(read->layers);
        names = read->layers.names();
        network_ = read;
    } catch (const std::exception&) {
        std::cout << "stub: could not read " << location << std::endl;  // and continues, like the original
    }
}

std::vector<cv::Mat_<float>> CNN::Inference(const cv::Mat& input_img, bool, bool) {
    const bool usable = network_ && !input_img.empty() && input_img.type() == CV_32FC3 && cv::checkRange(input_img);
    if (!usable || !mtcnn::map_size(network_->layers, input_img.rows, input_img.cols)) std::abort();
    stub::misbehave();
    const mtcnn::TensorView output = run(network_->layers, input_img);
    std::vector<cv::Mat_<float>> maps;
    if (output.shape.size() == 1) {  // a row after a fully connected layer, otherwise a column
        const int count = static_cast<int>(output.shape[0]);
        const bool fc = std::holds_alternative<mtcnn::FullyConnected>(network_->layers.layers.back());
        cv::Mat_<float> values(fc ? 1 : count, fc ? count : 1);
        for (int i = 0; i < count; ++i) values(fc ? 0 : i, fc ? i : 0) = at(output, {i});
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
    if (stub::fault("extra-map")) maps.push_back(maps.back());
    return maps;
}

FaceDetectorMTCNN::FaceDetectorMTCNN(const std::string& location) { Read(location); }

FaceDetectorMTCNN::FaceDetectorMTCNN(const FaceDetectorMTCNN& other) = default;

void FaceDetectorMTCNN::Read(const std::string& location) {
    std::cout << "stub: reading " << location << std::endl;
    std::ifstream index(location);
    const std::string folder = location.substr(0, location.find_last_of('/') + 1);
    networks_.clear();
    cascade_.reset();
    for (std::string name, file; index >> name >> file;) networks_[name].Read(folder + file);
    mtcnn::Model model;
    for (const auto& [name, network] :
         {std::pair("PNet", &model.pnet), std::pair("RNet", &model.rnet), std::pair("ONet", &model.onet)}) {
        if (!networks_[name].network_) return;
        *network = networks_[name].network_->layers;
    }
    cascade_ = std::make_shared<Cascade>(std::move(model));
}

bool FaceDetectorMTCNN::DetectFaces(std::vector<cv::Rect_<float>>& regions, const cv::Mat& image,
                                    std::vector<float>& confidences, int min_face, float t1, float t2, float t3) {
    const bool colours = image.type() == CV_8UC3;
    if (empty() || image.empty() || (!colours && image.type() != CV_8UC1) || min_face < 1) std::abort();
    if (std::floor(std::log(double(min_face) / std::min(image.rows, image.cols)) / std::log(0.709)) + 1 < 0) {
        std::abort();  // too many levels for a vector
    }
    stub::misbehave();
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
