// Memory: aligned buffers that keep their memory, and read-only views of tensors for hooks.
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

#include "cancellation.h"

namespace mtcnn {

// Aligned memory that is filled with zeros when it grows and never shrinks. Growth discards the contents. Empty after a
// move from it.
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
        CancellationPoint none;
        return reserve(count, none);
    }
    T* reserve(std::size_t count, CancellationPoint& cancellation_point) {
        if (count > size_) {
            data_.reset();
            size_ = 0;
            data_.reset(new (std::align_val_t{kAlignment}) T[count]);
            for (std::size_t from = 0; from < count; from += kFillChunk) {
                std::fill_n(data_.get() + from, std::min(kFillChunk, count - from), T{});
                cancellation_point.advance(kFillChunk);
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
    static constexpr std::size_t kFillChunk = std::size_t{1} << 18;
    struct Free {
        void operator()(T* p) const { ::operator delete[](p, std::align_val_t{kAlignment}); }
    };
    std::unique_ptr<T[], Free> data_;
    std::size_t size_ = 0;
};

// Like resize(), in steps with cancellation points.
template <class T>
void resize_in_steps(std::vector<T>& values, std::size_t size, CancellationPoint& cancellation_point) {
    constexpr std::size_t kStep = std::size_t{1} << 16;
    values.reserve(size);
    while (values.size() < size) {
        values.resize(std::min(size, values.size() + kStep));
        cancellation_point.advance(kStep * sizeof(T) / sizeof(float));
    }
}

// Appends a range in steps with cancellation points.
template <class T>
void append_in_steps(std::vector<T>& values, const std::vector<T>& more, CancellationPoint& cancellation_point) {
    constexpr std::size_t kStep = std::size_t{1} << 16;
    for (std::size_t from = 0; from < more.size(); from += kStep) {
        const auto begin = more.begin() + static_cast<std::ptrdiff_t>(from);
        values.insert(values.end(), begin, begin + static_cast<std::ptrdiff_t>(std::min(kStep, more.size() - from)));
        cancellation_point.advance(kStep * sizeof(T) / sizeof(float));
    }
}

// A read-only view of a tensor. Strides are in bytes. The memory exists as long as `owner`.
struct TensorView {
    std::shared_ptr<const void> owner;
    const void* data = nullptr;
    bool integers = false;  // int32, otherwise float32
    std::vector<std::ptrdiff_t> shape;
    std::vector<std::ptrdiff_t> strides;
};

// Called with the stable name of each tensor, in execution order.
using Hook = std::function<void(const std::string& name, const TensorView& view)>;

// A view that owns the values, contiguous in row order.
template <class T>
TensorView contiguous_view(std::vector<T> values, std::vector<std::ptrdiff_t> shape) {
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
