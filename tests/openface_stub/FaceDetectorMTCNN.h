// The public names of an installed OpenFace's MTCNN, for tests: written from a description of its interface, not from
// its header. Like the original, it uses std::map, std::string and std::vector without including them, and all
// functions that a small program may use are inline. It uses this package's core; see stub.cpp.
#pragma once

#include <opencv2/core/core.hpp>

using namespace std;

namespace LandmarkDetector {

class CNN {
public:
    CNN() {}
    CNN(const CNN& other);
    void Read(const std::string& location);
    std::vector<cv::Mat_<float>> Inference(const cv::Mat& input_img, bool direct = true, bool thread_safe = false);
    size_t NumberOfLayers() { return names.size(); }
    void ClearPrecomp() { kept.clear(); }

private:
    friend class FaceDetectorMTCNN;
    struct Network;
    std::vector<std::string> names;
    std::map<std::string, cv::Mat_<float>> kept;
    std::shared_ptr<const Network> network_;
};

class FaceDetectorMTCNN {
public:
    FaceDetectorMTCNN() {}
    ~FaceDetectorMTCNN() {}
    FaceDetectorMTCNN(const std::string& location);
    FaceDetectorMTCNN(const FaceDetectorMTCNN& other);
    void Read(const std::string& location);
    bool empty() { return !cascade_; }
    bool DetectFaces(std::vector<cv::Rect_<float>>& regions, const cv::Mat& image, std::vector<float>& confidences,
                     int min_face = 60, float t1 = 0.6, float t2 = 0.7, float t3 = 0.7);

private:
    struct Cascade;
    std::map<std::string, CNN> networks_;
    std::shared_ptr<const Cascade> cascade_;
};

}  // namespace LandmarkDetector
