// A stub of the layers, written from a description of what OpenFace computes. See CNN_utils.h.
#include "stdafx.h"

#include <tbb/tbb.h>

#include "CNN_utils.h"

namespace LandmarkDetector {
namespace {

int pooled(int size, int kernel, int stride) {
    return static_cast<int>(std::round(double(size - kernel) / stride)) + 1;
}

}  // namespace

Maps convolve(const Maps& maps, const std::vector<float>& weights, const std::vector<float>& bias, int rows,
              int columns) {
    const int height = maps[0].rows - rows + 1, width = maps[0].cols - columns + 1;
    int out = static_cast<int>(bias.size()), pixels = height * width;
    int terms = static_cast<int>(maps.size()) * rows * columns;
    std::vector<float> windows, sums(size_t(out) * pixels);
    windows.reserve(size_t(terms) * pixels);
    for (int y = 0; y < height; ++y)
        for (int x = 0; x < width; ++x)
            for (const auto& map : maps)
                for (int kx = 0; kx < columns; ++kx)
                    for (int ky = 0; ky < rows; ++ky) windows.push_back(map(y + ky, x + kx));
    char no = 'N';
    float one = 1, zero = 0;
    sgemm_(&no, &no, &out, &pixels, &terms, &one, const_cast<float*>(weights.data()), &out, windows.data(), &terms,
           &zero, sums.data(), &out);
    Maps result;
    for (int o = 0; o < out; ++o) {
        cv::Mat_<float> map(height, width);
        for (int p = 0; p < pixels; ++p) map(p / width, p % width) = sums[size_t(p) * out + o] + bias[o];
        result.push_back(map);
    }
    return result;
}

Maps dense(const Maps& maps, const cv::Mat_<float>& weights, const cv::Mat_<float>& bias) {
    cv::Mat_<float> product;
    if (static_cast<int>(maps.size()) == weights.rows) {
        cv::Mat_<float> pixels(static_cast<int>(maps[0].total()), weights.rows);
        for (int c = 0; c < weights.rows; ++c) maps[c].clone().reshape(1, pixels.rows).copyTo(pixels.col(c));
        cv::gemm(pixels, weights, 1, cv::noArray(), 0, product);
        Maps result;
        for (int o = 0; o < weights.cols; ++o) {
            cv::Mat_<float> map = product.col(o).clone().reshape(1, maps[0].rows);
            for (float& value : map) value = value + bias(o);
            result.push_back(map);
        }
        return result;
    }
    cv::Mat_<float> row(1, weights.rows);
    auto value = row.begin();
    for (const auto& map : maps)
        for (int x = 0; x < map.cols; ++x)
            for (int y = 0; y < map.rows; ++y) *value++ = map(y, x);
    cv::gemm(row, weights, 1, bias.t(), 1, product);
    return {product};
}

Maps pool(const Maps& maps, cv::Size kernel, cv::Size stride) {
    Maps result;
    for (const auto& map : maps) {
        cv::Mat_<float> most(pooled(map.rows, kernel.height, stride.height),
                             pooled(map.cols, kernel.width, stride.width));
        for (int y = 0; y < most.rows; ++y)
            for (int x = 0; x < most.cols; ++x) {
                const cv::Rect window = cv::Rect(cv::Point(x * stride.width, y * stride.height), kernel) &
                                        cv::Rect(0, 0, map.cols, map.rows);
                const cv::Mat_<float> values = map(window);
                most(y, x) = *std::max_element(values.begin(), values.end());
            }
        result.push_back(most);
    }
    return result;
}

void rectify(Maps& maps, const cv::Mat_<float>& slopes) {
    const bool flat = maps.size() == 1 && slopes.rows > 1;
    if (flat) maps[0] = maps[0].t();
    for (size_t c = 0; c < maps.size(); ++c)
        for (int i = 0; i < maps[c].rows; ++i)
            for (int j = 0; j < maps[c].cols; ++j) {
                float& value = maps[c](i, j);
                value = value >= 0 ? value : value * slopes(flat ? i : int(c));
            }
}

void squash(Maps& maps) {
    for (auto& map : maps) {
        cv::exp(-map, map);
        for (float& value : map) value = 1.0F / (1.0F + value);
    }
}

}  // namespace LandmarkDetector
