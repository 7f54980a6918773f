// Small networks that match their stages, decoded from a fuzzer's bytes.
#pragma once

#include <algorithm>
#include <utility>

#include "../tests/random_model.h"
#include "bytes.h"

namespace fuzz {

// Builds one network layer by layer and tracks the size of its maps.
class NetworkMaker {
public:
    NetworkMaker(Bytes& bytes, int size) : bytes_(bytes), random_(bytes.number()), height_(size), width_(size) {
        fill_ = test::kFills[bytes.integer(0, 2)];
    }

    // Adds 1 to `most` layers that keep the data as maps. PNet's input is an image of `size` or larger.
    void body(int most) {
        for (int layers = bytes_.integer(1, most); layers > 0; --layers) {
            switch (bytes_.integer(0, 5)) {
                case 0:
                case 1:
                    convolution(bytes_.integer(1, bytes_.flag() ? 20 : 6));
                    break;
                case 2:
                    pooling();
                    break;
                case 3:
                    network_.layers.emplace_back(mtcnn::PReLU{numbers(maps_)});
                    break;
                case 4:
                    fully_connected(maps_, bytes_.integer(1, 20));
                    break;
                default:
                    network_.layers.emplace_back(mtcnn::Sigmoid{});
            }
        }
    }

    // PNet ends with a fully connected layer on each pixel.
    mtcnn::Network of_maps(int outputs) {
        fully_connected(maps_, outputs);
        return std::move(network_);
    }

    // RNet and ONet end with fully connected layers on all remaining values, at most kMost.
    mtcnn::Network of_values(int outputs) {
        constexpr int kMost = 4000;
        while (maps_ * height_ * width_ > kMost) convolution(4, std::min(height_, 8), std::min(width_, 8));
        if (bytes_.flag()) {
            fully_connected(maps_ * height_ * width_, bytes_.integer(1, 40));
            height_ = width_ = 1;
            if (bytes_.flag()) network_.layers.emplace_back(mtcnn::PReLU{numbers(maps_)});
        }
        fully_connected(maps_ * height_ * width_, outputs);
        return std::move(network_);
    }

private:
    std::vector<float> numbers(int count) { return random_.numbers(fill_, count); }

    void convolution(int out) {
        const int kernel_y = std::min(bytes_.integer(1, 5), height_);
        const int kernel_x = std::min(bytes_.integer(1, 5), width_);
        convolution(out, kernel_y, kernel_x);
    }

    void convolution(int out, int kernel_y, int kernel_x) {
        if (fill_ == test::Fill::kUniform) {
            network_.layers.emplace_back(test::conv2d(random_, maps_, out, kernel_y, kernel_x));
        } else {
            network_.layers.emplace_back(mtcnn::Conv2d{out, maps_, kernel_y, kernel_x,
                                                       numbers(out * maps_ * kernel_y * kernel_x), numbers(out)});
        }
        maps_ = out;
        height_ -= kernel_y - 1;
        width_ -= kernel_x - 1;
    }

    void pooling() {
        const mtcnn::MaxPool pool{bytes_.integer(1, 4), bytes_.integer(1, 4), bytes_.integer(1, 4),
                                  bytes_.integer(1, 4)};
        const int height = mtcnn::pooled_size(height_, pool.kernel_y, pool.stride_y);
        const int width = mtcnn::pooled_size(width_, pool.kernel_x, pool.stride_x);
        if (height < 1 || width < 1 || pool.kernel_y > height_ || pool.kernel_x > width_) return;
        network_.layers.emplace_back(pool);
        height_ = height;
        width_ = width;
    }

    void fully_connected(int inputs, int outputs) {
        if (fill_ == test::Fill::kUniform) {
            network_.layers.emplace_back(test::fully_connected(random_, inputs, outputs));
        } else {
            network_.layers.emplace_back(
                mtcnn::FullyConnected{inputs, outputs, numbers(inputs * outputs), numbers(outputs)});
        }
        maps_ = outputs;
    }

    Bytes& bytes_;
    test::Random random_;
    test::Fill fill_;
    int maps_ = 3, height_, width_;
    mtcnn::Network network_;
};

inline mtcnn::Model small_model(Bytes& bytes) {
    mtcnn::Model model;
    NetworkMaker pnet(bytes, 12);
    pnet.body(6);
    model.pnet = pnet.of_maps(6);
    NetworkMaker rnet(bytes, 24);
    rnet.body(5);
    model.rnet = rnet.of_values(6);
    NetworkMaker onet(bytes, 48);
    onet.body(6);
    model.onet = onet.of_values(16);
    return model;
}

}  // namespace fuzz
