// Calls the stub without the guards of the adapter: each kind of input ends the program.
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "FaceDetectorMTCNN.h"

int main(int count, char** words) {
    if (count != 3) return 2;
    const std::string kind = words[1];
    const std::string index = words[2];
    const std::string pnet = index.substr(0, index.find_last_of('/') + 1) + "PNet.dat";
    LandmarkDetector::FaceDetectorMTCNN detector(kind == "missing" ? index + ".not" : index);
    LandmarkDetector::CNN network;
    network.Read(pnet);
    cv::Mat image(90, 120, CV_8UC3, cv::Scalar::all(90));
    cv::Mat input(60, 60, CV_32FC3, cv::Scalar::all(0.5));
    if (kind == "empty") image = cv::Mat();
    if (kind == "small") image = cv::Mat(40, 40, CV_8UC3, cv::Scalar::all(90));
    if (kind == "narrow") image = cv::Mat(20, 640, CV_8UC3, cv::Scalar::all(90));
    if (kind == "deep") image = cv::Mat(90, 120, CV_16UC3, cv::Scalar::all(90));
    if (kind == "four") image = cv::Mat(90, 120, CV_8UC4, cv::Scalar::all(90));
    if (kind == "float") image = cv::Mat(90, 120, CV_32FC3, cv::Scalar::all(std::numeric_limits<float>::quiet_NaN()));
    if (kind == "nan") input.at<cv::Vec3f>(3, 4)[1] = std::numeric_limits<float>::quiet_NaN();
    if (kind == "tiny") input = cv::Mat(5, 5, CV_32FC3, cv::Scalar::all(0.5));
    network.Inference(input);
    std::vector<cv::Rect_<float>> regions;
    std::vector<float> confidences;
    detector.DetectFaces(regions, image, confidences);
    return 0;
}
