// Can a program be built with the OpenFace that was found? Compiled and linked by CMake, never run.
#include <FaceDetectorMTCNN.h>

int main() {
    LandmarkDetector::FaceDetectorMTCNN detector;
    return detector.empty() ? 1 : 0;
}
