// Can a program be built with the OpenFace that was found? Compiled and linked by CMake, never run. It calls what is
// only in the library: construction, empty() and destruction are inline in OpenFace's header.
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
