// A stub of OpenFace's detector, written from a description of what OpenFace computes. It uses the same exponential
// functions: OpenCV's for PNet's map, the C library's for scores. On the reference platform it equals mtcnn_cpp in
// every bit.
#include "stdafx.h"

#include <filesystem.hpp>
#include <filesystem/fstream.hpp>

#include "CNN_utils.h"
#include "FaceDetectorMTCNN.h"
#include "LandmarkDetectorUtils.h"
#include "RotationHelpers.h"
#include "StubFaults.h"

extern "C" void openblas_set_num_threads(int);

void ReadMatBin(std::ifstream& file, cv::Mat& matrix) {  // one test builds without this function
    int rows, columns, type;
    for (int* number : {&rows, &columns, &type}) file.read(reinterpret_cast<char*>(number), 4);
    matrix = cv::Mat(rows, columns, type);
    file.read(reinterpret_cast<char*>(matrix.data), matrix.total() * matrix.elemSize());
}

namespace LandmarkDetector {
namespace {

enum Kind { kConvolution, kPool, kDense, kSlopes, kSigmoid };

int read_int(std::ifstream& file) {
    int number = -1;
    file.read(reinterpret_cast<char*>(&number), 4);
    return number;
}

cv::Size read_size(std::ifstream& file) {
    const int width = read_int(file);
    return {width, read_int(file)};
}

struct Face {
    cv::Rect_<float> box;
    float score;
    std::vector<float> moves;
};

cv::Rect rounded(const cv::Rect_<float>& box) {
    return {cvRound(box.x), cvRound(box.y), cvRound(box.width), cvRound(box.height)};
}

std::vector<Face> suppress(const std::vector<Face>& faces, float limit, bool minimum) {
    std::vector<size_t> order(faces.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = order.size() - 1 - i;
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return faces[a].score > faces[b].score; });
    std::vector<Face> kept;
    for (const size_t i : order) {
        const cv::Rect box = rounded(faces[i].box);
        const bool dropped = std::any_of(kept.begin(), kept.end(), [&](const Face& better) {
            const cv::Rect other = rounded(better.box);
            const float shared = static_cast<float>((box & other).area());
            const float whole = minimum ? static_cast<float>(std::min(box.area(), other.area()))
                                        : static_cast<float>(box.area() + other.area()) - shared;
            return shared / whole > limit;
        });
        if (!dropped) kept.push_back(faces[i]);
    }
    return kept;
}

void move(Face& face, int more) {
    const cv::Rect box = rounded(face.box);
    const float x = float(box.x), y = float(box.y), w = float(box.width + more), h = float(box.height + more);
    const auto& d = face.moves;
    const float left = x + d[0] * w, top = y + d[1] * h, right = (x + w) + w * d[2], bottom = (y + h) + h * d[3];
    face.box = {left, top, right - left, bottom - top};
}

void square(Face& face) {
    cv::Rect_<float>& box = face.box;
    const float side = std::max(box.width, box.height);
    const float x = static_cast<float>(box.x + 0.5 * double(box.width - side));
    const float y = static_cast<float>(box.y + 0.5 * double(box.height - side));
    box = {float(int(x)), float(int(y)), float(int(side)), float(int(side))};
}

cv::Mat normalised(const cv::Mat& image, cv::Size size) {
    cv::Mat result;
    cv::resize(image, result, size);
    for (auto value = result.begin<cv::Vec3f>(); value != result.end<cv::Vec3f>(); ++value)
        for (int c = 0; c < 3; ++c) (*value)[c] = ((*value)[c] - 127.5F) * 0.0078125F;
    return result;
}

bool cut(const cv::Mat& image, const cv::Rect_<float>& box, cv::Mat& patch) {
    const cv::Rect whole(int(box.x) - 1, int(box.y) - 1, int(box.width) + 1, int(box.height) + 1);
    const cv::Rect inside = whole & cv::Rect(0, 0, image.cols, image.rows);
    if (box.width <= 0 || inside.empty()) return false;
    patch = cv::Mat::zeros(whole.size(), CV_32FC3);
    image(inside).copyTo(patch(inside - whole.tl()));
    return true;
}

// Runs a network on every box and keeps the boxes of at least this probability.
std::vector<Face> classify(CNN& network, const cv::Mat& image, const std::vector<Face>& faces, int side, float least) {
    std::vector<Face> kept;
    for (const Face& face : faces) {
        cv::Mat patch;
        if (!cut(image, face.box, patch)) continue;
        const cv::Mat_<float> values = network.Inference(normalised(patch, {side, side}))[0];
        const float score = static_cast<float>(1.0 / (1.0 + double(std::exp(values(0) - values(1)))));
        if (score >= least) kept.push_back({face.box, score, {values(2), values(3), values(4), values(5)}});
    }
    return kept;
}

std::vector<Face> propose(CNN& network, const cv::Mat& image, double scale, float least) {
    const cv::Size size(int(std::ceil(image.cols * scale)), int(std::ceil(image.rows * scale)));
    const std::vector<cv::Mat_<float>> maps = network.Inference(normalised(image, size));
    cv::Mat_<float> chances;
    cv::exp(maps[0] - maps[1], chances);
    for (float& chance : chances) chance = 1.0F / (1.0F + chance);
    std::vector<Face> found;
    const float step = static_cast<float>(scale);
    for (int x = 0; x < chances.cols; ++x)
        for (int y = 0; y < chances.rows; ++y) {
            if (!(chances(y, x) >= least)) continue;
            const int left = int(float(2 * x + 1) / step), top = int(float(2 * y + 1) / step);
            const int right = int(float(2 * x + 12) / step), bottom = int(float(2 * y + 12) / step);
            found.push_back({{float(left), float(top), float(right - left), float(bottom - top)},
                             chances(y, x),
                             {maps[2](y, x), maps[3](y, x), maps[4](y, x), maps[5](y, x)}});
        }
    return suppress(found, 0.5F, false);
}

}  // namespace

CNN::CNN(const CNN& other) = default;

void CNN::Read(const std::string& location) {
    std::cout << "stub: reading " << location << std::endl;
    openblas_set_num_threads(1);
    std::ifstream file(location, std::ios::binary);
    *this = CNN();
    stub::KernelFaults faults;
    const int count = read_int(file);
    for (int layer = 0; layer < count; ++layer) {
        const size_t number = kinds.size();
        kinds.push_back(read_int(file));
        cv::Mat matrix;
        if (kinds.back() == kConvolution) {
            const int in = read_int(file), out = read_int(file);
            std::vector<float> bias(out), weights;
            file.read(reinterpret_cast<char*>(bias.data()), 4LL * out);
            cv::Size side;
            for (int pair = 0; pair < in * out; ++pair) {
                ReadMatBin(file, matrix);
                side = matrix.size();
                weights.insert(weights.end(), matrix.begin<float>(), matrix.end<float>());
            }
            // The file has in x out x y x x; faults and products use out x in.
            const size_t area = size_t(side.area());
            std::vector<float> kernels(weights.size()), columns(weights.size());
            for (int i = 0; i < in; ++i)
                for (int o = 0; o < out; ++o)
                    std::copy_n(&weights[(size_t(i) * out + o) * area], area, &kernels[(size_t(o) * in + i) * area]);
            faults.plant(kernels, out, in, side.width);
            size_t at = 0;
            for (int i = 0; i < in; ++i)
                for (int x = 0; x < side.width; ++x)
                    for (int y = 0; y < side.height; ++y)
                        for (int o = 0; o < out; ++o)
                            columns[at++] = kernels[(size_t(o) * in + i) * area + size_t(y) * side.width + x];
            convolutions[number] = std::make_tuple(columns, bias, side);
        } else if (kinds.back() == kPool) {
            pools[number].first = read_size(file);
            pools[number].second = read_size(file);
        } else if (kinds.back() == kDense) {
            ReadMatBin(file, matrix);
            products[number].second = matrix.clone();
            ReadMatBin(file, matrix);
            products[number].first = matrix.clone();
        } else if (kinds.back() == kSlopes) {
            ReadMatBin(file, matrix);
            slopes[number] = matrix.clone();
        }
    }
    if (!file) std::cout << "stub: could not read " << location << std::endl;
}

std::vector<cv::Mat_<float>> CNN::Inference(const cv::Mat& input_img, bool, bool) {
    stub::misbehave();
    Maps maps(3);
    cv::split(input_img, maps);
    std::reverse(maps.begin(), maps.end());
    for (size_t number = 0; number < kinds.size(); ++number) {
        const auto& [weights, bias, side] = convolutions[number];
        if (kinds[number] == kConvolution) maps = convolve(maps, weights, bias, side.height, side.width);
        if (kinds[number] == kPool) maps = pool(maps, pools[number].first, pools[number].second);
        if (kinds[number] == kDense) maps = dense(maps, products[number].first, products[number].second);
        if (kinds[number] == kSlopes) rectify(maps, slopes[number]);
        if (kinds[number] == kSigmoid) squash(maps);
    }
    if (stub::fault("extra-map")) maps.push_back(maps.back());
    return maps;
}

FaceDetectorMTCNN::FaceDetectorMTCNN(const std::string& location) { Read(location); }

FaceDetectorMTCNN::FaceDetectorMTCNN(const FaceDetectorMTCNN& other) = default;

void FaceDetectorMTCNN::Read(const std::string& location) {
    std::cout << "stub: reading " << location << std::endl;
    networks.clear();
    std::ifstream index(location);
    const fs::path folder = boost::filesystem::path(location).parent_path();
    for (std::string name, file; index >> name >> file;) networks[name].Read((folder / file).string());
}

bool FaceDetectorMTCNN::DetectFaces(std::vector<cv::Rect_<float>>& regions, const cv::Mat& image,
                                    std::vector<float>& confidences, int min_face, float t1, float t2, float t3) {
    stub::misbehave();
    cv::Mat pixels = image;
    if (image.channels() == 1) cv::cvtColor(image, pixels, cv::COLOR_GRAY2BGR);
    pixels.convertTo(pixels, CV_32FC3);
    const double smaller = std::min(image.rows, image.cols);
    const int levels = int(std::floor(std::log(min_face / smaller) / std::log(0.709))) + 1;
    std::vector<Face> faces;
    for (int level = 0; level < levels; ++level) {
        const double scale = 12.0 / min_face * std::pow(0.709, level);
        const std::vector<Face> kept = propose(networks["PNet"], pixels, scale, t1);
        faces.insert(faces.end(), kept.begin(), kept.end());
    }
    faces = suppress(faces, 0.7F, false);
    for (Face& face : faces) move(face, 0), square(face);
    faces = suppress(classify(networks["RNet"], pixels, faces, 24, t2), 0.7F, false);
    for (Face& face : faces) move(face, 0), square(face);
    faces = classify(networks["ONet"], pixels, faces, 48, t3);
    for (Face& face : faces) move(face, 1);
    for (const Face& face : suppress(faces, 0.7F, true)) {
        const cv::Rect_<float>& box = face.box;
        regions.emplace_back(float(box.x + box.width * -0.0075), float(box.y + box.height * 0.2459),
                             float(box.width * 1.0323), float(box.height * 0.7751));
        confidences.push_back(face.score);
    }
    return !faces.empty();
}

}  // namespace LandmarkDetector
