// Checks the sizes of maps from layer to layer and finds the first layer that does not match.
#include "shapes.h"

#include <cstdlib>
#include <stdexcept>

namespace mtcnn {
namespace {

std::string by(int height, int width) { return std::to_string(height) + " x " + std::to_string(width); }

// The known shape of the data between two layers.
class Walk {
public:
    Walk(const Network& network, const Requirements& requirements)
        : network_(network), names_(network.names()), requirements_(requirements) {
        if (requirements.input_size || requirements.outputs) channels_ = 3;
        if (requirements.input_size) size_ = std::pair(*requirements.input_size, *requirements.input_size);
    }

    std::optional<Mismatch> first_mismatch() {
        for (index_ = 0; index_ < network_.layers.size(); ++index_) {
            auto mismatch = std::visit([this](const auto& layer) { return step(layer); }, network_.layers[index_]);
            if (mismatch) return mismatch;
        }
        --index_;
        if (requirements_.outputs && channels_ != requirements_.outputs) {
            return mismatch(name() + " with " + std::to_string(*requirements_.outputs) + " outputs",
                            std::to_string(*channels_));
        }
        if (size_ && !flat_ && *size_ != std::pair(1, 1)) {
            return mismatch(name() + " with outputs of 1 x 1", by(size_->first, size_->second));
        }
        return std::nullopt;
    }

private:
    const std::string& name() const { return names_[index_]; }

    Mismatch mismatch(std::string expected, std::string found) const {
        return {index_, std::move(expected), std::move(found)};
    }

    std::optional<Mismatch> flat_mismatch() const {
        if (!flat_) return std::nullopt;
        return mismatch("maps before " + name(), "a vector of " + std::to_string(*channels_) + " values");
    }

    Mismatch kernel_mismatch(int kernel_y, int kernel_x) const {
        return mismatch(name() + " with a kernel that fits " + by(size_->first, size_->second) + " maps",
                        by(kernel_y, kernel_x));
    }

    std::optional<Mismatch> step(const Conv2d& layer) {
        if (auto wrong = flat_mismatch()) return wrong;
        if (channels_ && layer.in_maps != *channels_) {
            return mismatch(name() + " with " + std::to_string(*channels_) + " input maps",
                            std::to_string(layer.in_maps));
        }
        if (size_) {
            if (layer.kernel_y > size_->first || layer.kernel_x > size_->second) {
                return kernel_mismatch(layer.kernel_y, layer.kernel_x);
            }
            size_ = std::pair(size_->first - layer.kernel_y + 1, size_->second - layer.kernel_x + 1);
        }
        channels_ = layer.out_maps;
        return std::nullopt;
    }

    std::optional<Mismatch> step(const MaxPool& layer) {
        if (auto wrong = flat_mismatch()) return wrong;
        if (size_) {
            const std::pair pooled(pooled_size(size_->first, layer.kernel_y, layer.stride_y),
                                   pooled_size(size_->second, layer.kernel_x, layer.stride_x));
            if (pooled.first < 1 || pooled.second < 1) return kernel_mismatch(layer.kernel_y, layer.kernel_x);
            size_ = pooled;
        }
        return std::nullopt;
    }

    std::optional<Mismatch> step(const FullyConnected& layer) {
        if (channels_ && layer.inputs != *channels_) {
            const std::string channels = std::to_string(*channels_);
            const std::string inputs = std::to_string(layer.inputs);
            if (flat_) return mismatch(name() + " with " + channels + " inputs", inputs);
            if (size_) {
                const std::int64_t flattened = std::int64_t{*channels_} * size_->first * size_->second;
                if (layer.inputs != flattened) {
                    return mismatch(name() + " with " + channels + " inputs (on maps) or " + std::to_string(flattened) +
                                        " (on all values)",
                                    inputs);
                }
            } else if (requirements_.outputs) {
                return mismatch(name() + " with " + channels + " inputs, for maps of any size", inputs);
            } else if (layer.inputs % *channels_ != 0) {
                return mismatch(name() + " with a multiple of " + channels + " inputs", inputs);
            }
            flat_ = true;
        }
        channels_ = layer.outputs;
        return std::nullopt;
    }

    std::optional<Mismatch> step(const PReLU& layer) {
        const int slopes = static_cast<int>(layer.slopes.size());
        if (channels_ && slopes != *channels_) {
            return mismatch(name() + " with " + std::to_string(*channels_) + " slopes", std::to_string(slopes));
        }
        channels_ = slopes;
        return std::nullopt;
    }

    std::optional<Mismatch> step(const Sigmoid&) { return std::nullopt; }

    const Network& network_;
    std::vector<std::string> names_;
    Requirements requirements_;
    std::size_t index_ = 0;
    std::optional<int> channels_;              // number of maps, or of values after flattening
    std::optional<std::pair<int, int>> size_;  // (height, width) of the maps
    bool flat_ = false;
};

}  // namespace

std::optional<Mismatch> find_mismatch(const Network& network, const Requirements& requirements) {
    return Walk(network, requirements).first_mismatch();
}

int pooled_size(int size, int kernel, int stride) {
    const std::int64_t difference = std::int64_t{size} - kernel;
    const std::int64_t steps = (2 * std::abs(difference) + stride) / (2 * std::int64_t{stride});
    const std::int64_t windows = 1 + (difference >= 0 ? steps : -steps);
    const std::int64_t inside = (std::int64_t{size} + stride - 1) / stride;
    return static_cast<int>(windows < inside ? windows : inside);
}

std::optional<std::pair<int, int>> map_size(const Network& network, int height, int width) {
    for (const Layer& layer : network.layers) {
        if (const auto* conv = std::get_if<Conv2d>(&layer)) {
            height -= conv->kernel_y - 1;
            width -= conv->kernel_x - 1;
        } else if (const auto* pool = std::get_if<MaxPool>(&layer)) {
            height = pooled_size(height, pool->kernel_y, pool->stride_y);
            width = pooled_size(width, pool->kernel_x, pool->stride_x);
        }
        if (height < 1 || width < 1) return std::nullopt;
    }
    return std::pair(height, width);
}

void check_network(const Network& network, const std::string& name, const Requirements& requirements) {
    if (network.layers.empty()) throw std::invalid_argument(name + ": expected one or more layers, found none");
    if (auto mismatch = find_mismatch(network, requirements)) {
        throw std::invalid_argument(name + ": expected " + mismatch->expected + ", found " + mismatch->found);
    }
}

}  // namespace mtcnn
