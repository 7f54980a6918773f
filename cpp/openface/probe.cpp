// Tests whether a program can be built with the OpenFace that was found. CMake compiles and links it but never runs it.
// It calls functions of the library only: construction, empty() and destruction are inline in OpenFace's header.
#include <map>
#include <opencv2/core.hpp>
#include <string>
#include <tuple>
#include <vector>

#include <FaceDetectorMTCNN.h>

int main(int count, char** arguments) {
    LandmarkDetector::FaceDetectorMTCNN detector;
    detector.Read(arguments[count - 1]);
    LandmarkDetector::CNN network;
    network.Read(arguments[count - 1]);
    const cv::Mat image(80, 80, CV_8UC3);
    std::vector<cv::Rect_<float>> regions;
    std::vector<float> confidences;
    detector.DetectFaces(regions, image, confidences);
    return static_cast<int>(network.Inference(image).size() + regions.size());
}
