// A stub of the layers, written from a description of what OpenFace computes. All maps have the same size.
#pragma once

namespace LandmarkDetector {

using Maps = std::vector<cv::Mat_<float>>;

// Products by sgemm_. `weights`: out x terms, column-major; a term is (input map, kernel x, kernel y).
Maps convolve(const Maps& maps, const std::vector<float>& weights, const std::vector<float>& bias, int rows,
              int columns);
// Each pixel separately if the number of maps equals the rows of the weights, otherwise all values as one row.
Maps dense(const Maps& maps, const cv::Mat_<float>& weights, const cv::Mat_<float>& bias);
Maps pool(const Maps& maps, cv::Size kernel, cv::Size stride);
void rectify(Maps& maps, const cv::Mat_<float>& slopes);
void squash(Maps& maps);

}  // namespace LandmarkDetector
