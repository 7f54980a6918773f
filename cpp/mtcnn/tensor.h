// Memory: aligned float buffers that grow and are kept, and read-only views for those who watch a detection.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "stop.h"

namespace mtcnn {

// Aligned, zero-filled when it grows, never shrinks. Contents do not survive growth. Empty once it was moved from.
template <class T>
class Buffer {
public:
    Buffer() = default;
    Buffer(Buffer&& other) noexcept : data_(std::move(other.data_)), size_(std::exchange(other.size_, 0)) {}
    Buffer& operator=(Buffer&& other) noexcept {
        data_ = std::move(other.data_);
        size_ = std::exchange(other.size_, 0);
        return *this;
    }

    T* reserve(std::size_t count) {
        Checkpoint none;
        return reserve(count, none);
    }
    T* reserve(std::size_t count, Checkpoint& checkpoint) {
        if (count > size_) {
            data_.reset();
            size_ = 0;
            data_.reset(new (std::align_val_t{kAlignment}) T[count]);
            for (std::size_t from = 0; from < count; from += kPiece) {
                std::fill_n(data_.get() + from, std::min(kPiece, count - from), T{});
                checkpoint.pass(kPiece);
            }
            size_ = count;
        }
        return data_.get();
    }
    T* data() { return data_.get(); }
    const T* data() const { return data_.get(); }
    std::size_t size() const { return size_; }

private:
    static constexpr std::size_t kAlignment = 64;
    static constexpr std::size_t kPiece = std::size_t{1} << 18;
    struct Free {
        void operator()(T* p) const { ::operator delete[](p, std::align_val_t{kAlignment}); }
    };
    std::unique_ptr<T[], Free> data_;
    std::size_t size_ = 0;
};

// As resize(), in steps between which the work can be ended.
template <class T>
void resize_in_steps(std::vector<T>& values, std::size_t size, Checkpoint& checkpoint) {
    constexpr std::size_t kStep = std::size_t{1} << 16;
    values.reserve(size);
    while (values.size() < size) {
        values.resize(std::min(size, values.size() + kStep));
        checkpoint.pass(kStep * sizeof(T) / sizeof(float));
    }
}

// As appending a range.
template <class T>
void append_in_steps(std::vector<T>& values, const std::vector<T>& more, Checkpoint& checkpoint) {
    constexpr std::size_t kStep = std::size_t{1} << 16;
    for (std::size_t from = 0; from < more.size(); from += kStep) {
        const auto begin = more.begin() + static_cast<std::ptrdiff_t>(from);
        values.insert(values.end(), begin, begin + static_cast<std::ptrdiff_t>(std::min(kStep, more.size() - from)));
        checkpoint.pass(kStep * sizeof(T) / sizeof(float));
    }
}

// A read-only view of a tensor that a detection computed. Strides in bytes. Who keeps the owner keeps the memory.
struct TensorView {
    std::shared_ptr<const void> owner;
    const void* data = nullptr;
    bool integers = false;  // int32, otherwise float32
    std::vector<std::ptrdiff_t> shape;
    std::vector<std::ptrdiff_t> strides;
};

// Called with the tensor's stable name, in execution order.
using Tap = std::function<void(const std::string& name, const TensorView& view)>;

// A view of values that are copied for it, dense in row order.
template <class T>
TensorView dense_view(std::vector<T> values, std::vector<std::ptrdiff_t> shape) {
    const auto owner = std::make_shared<const std::vector<T>>(std::move(values));
    TensorView view{owner, owner->data(), std::is_integral_v<T>, std::move(shape), {}};
    view.strides.resize(view.shape.size());
    std::ptrdiff_t stride = 4;
    for (std::size_t i = view.shape.size(); i-- > 0;) {
        view.strides[i] = stride;
        stride *= view.shape[i];
    }
    return view;
}

}  // namespace mtcnn
