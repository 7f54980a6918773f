// A stub of the header of OpenFace's MTCNN, for tests: written from a description of its interface, not from its
// header. Like the original, it uses std::map, std::string, std::tuple and std::vector without including them.
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
    size_t NumberOfLayers() { return kinds.size(); }
    void ClearPrecomp() { kept.clear(); }

private:
    std::vector<int> kinds;  // of each layer; the data of a layer has the same index
    std::map<size_t, std::tuple<std::vector<float>, std::vector<float>, cv::Size>> convolutions;
    std::map<size_t, std::pair<cv::Mat_<float>, cv::Mat_<float>>> products;
    std::map<size_t, std::pair<cv::Size, cv::Size>> pools;
    std::map<size_t, cv::Mat_<float>> slopes;
    std::map<size_t, cv::Mat_<float>> kept;
};

class FaceDetectorMTCNN {
public:
    FaceDetectorMTCNN() {}
    ~FaceDetectorMTCNN() {}
    FaceDetectorMTCNN(const std::string& location);
    FaceDetectorMTCNN(const FaceDetectorMTCNN& other);
    void Read(const std::string& location);
    bool empty() { return networks.size() < 3; }
    bool DetectFaces(std::vector<cv::Rect_<float>>& regions, const cv::Mat& image, std::vector<float>& confidences,
                     int min_face = 60, float t1 = 0.6, float t2 = 0.7, float t3 = 0.7);

private:
    std::map<std::string, CNN> networks;
};

}  // namespace LandmarkDetector
