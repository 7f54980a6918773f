// The public names of an installed OpenFace's MTCNN, for tests: written from a description of its interface, not from
// its header. What is behind them is this package's own core; see stand_in.cpp.
#pragma once

#include <cstddef>
#include <memory>
#include <opencv2/core.hpp>
#include <string>
#include <vector>

using namespace std;  // as the original's header does to whoever includes it

namespace LandmarkDetector {

class CNN {
public:
    CNN() = default;
    CNN(const CNN&) = default;
    void Read(const std::string& location);
    std::vector<cv::Mat_<float>> Inference(const cv::Mat& input_img, bool direct = true, bool thread_safe = false);
    std::size_t NumberOfLayers();
    void ClearPrecomp() {}

private:
    friend class FaceDetectorMTCNN;
    struct Network;
    std::shared_ptr<const Network> network_;
};

class FaceDetectorMTCNN {
public:
    FaceDetectorMTCNN() = default;
    explicit FaceDetectorMTCNN(const std::string& location) { Read(location); }
    FaceDetectorMTCNN(const FaceDetectorMTCNN&) = default;
    void Read(const std::string& location);
    bool empty();
    bool DetectFaces(std::vector<cv::Rect_<float>>& regions, const cv::Mat& image, std::vector<float>& confidences,
                     int min_face = 60, float t1 = 0.6F, float t2 = 0.7F, float t3 = 0.7F);

private:
    struct Cascade;
    CNN pnet_, rnet_, onet_;
    std::shared_ptr<const Cascade> cascade_;
};

}  // namespace LandmarkDetector
