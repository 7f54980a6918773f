#include "resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "prefetch.h"

namespace mtcnn {
namespace {

constexpr int kOverread = 2;    // bytes past a pixel that the fastest kernel reads
constexpr int kColumns = 4096;  // columns per kernel call: a multiple of kPad

// Position of an output sample between two source samples.
struct Position {
    std::int64_t index;  // may be -1
    float fraction;
};

// Source samples of each output sample.
double step(int size, std::int64_t source_size) {
    return 1.0 / (static_cast<double>(size) / static_cast<double>(source_size));
}

Position position(int at, double step) {
    const auto place = static_cast<float>((at + 0.5) * step - 0.5);
    const float floor = std::floor(place);
    return {static_cast<std::int64_t>(floor), place - floor};
}

std::size_t padded_size(int n) { return (static_cast<std::size_t>(n) + kPad - 1) / kPad * kPad; }

}  // namespace

Patch full_patch(const Image& image) { return {0, 0, image.width, image.height}; }

Patch cut(const Box& box) {
    return {static_cast<std::int64_t>(box.x) - 1, static_cast<std::int64_t>(box.y) - 1,
            static_cast<std::int64_t>(box.width) + 1, static_cast<std::int64_t>(box.height) + 1};
}

bool touches(const Patch& patch, const Image& image) {
    return patch.x < image.width && patch.y < image.height && patch.x + patch.width > 0 && patch.y + patch.height > 0;
}

void Resampler::prepare(const Image& image, const Patch& patch, int height, int width, Normalisation normalisation) {
    image_ = image;
    patch_ = patch;
    height_ = height;
    width_ = width;
    normalisation_ = normalisation;
    row_numbers_[0] = row_numbers_[1] = -1;
    if (patch.height == height && patch.width == width) {
        mode_ = Mode::kCopy;
    } else if (patch.height == 2 * std::int64_t{height} && patch.width == 2 * std::int64_t{width}) {
        mode_ = Mode::kHalve;
    } else {
        mode_ = Mode::kBilinear;
        row_step_ = step(height, patch.height);
        prepare_columns();
    }
}

void Resampler::prepare_columns() {
    const std::ptrdiff_t size = image_.floats ? 12 : 3;
    const std::size_t count = padded_size(width_);
    std::int32_t* offsets = offsets_.reserve(count, cancellation_point_);
    float* left = left_weights_.reserve(count, cancellation_point_);
    float* right = right_weights_.reserve(count, cancellation_point_);
    std::int64_t* columns = columns_.reserve(count, cancellation_point_);
    collect_ = patch_.x < 0 || patch_.x + patch_.width > image_.width || patch_.width < 2;
    const double column_step = step(width_, patch_.width);
    for (int x = 0; x < width_; ++x) {
        Position p = position(x, column_step);
        if (p.index < 0) p = {0, 0};
        if (p.index >= patch_.width - 1) p = {patch_.width - 1, 0};
        left[x] = 1.0F - p.fraction;
        right[x] = p.fraction;
        if (!collect_ && p.index == patch_.width - 1) {
            // The last pixel has no right neighbour: use it as the right pixel of the previous pair.
            --p.index;
            std::swap(left[x], right[x]);
        }
        columns[x] = patch_.x + p.index;
        offsets[x] = static_cast<std::int32_t>(collect_ ? 2 * size * (x % kColumns) : columns[x] * image_.pixel_stride);
        cancellation_point_.advance(4);
    }
    std::fill(offsets + width_, offsets + count, offsets[width_ - 1]);
    std::fill(left + width_, left + count, 0.0F);
    std::fill(right + width_, right + count, 0.0F);
    if (collect_) collected_.reserve(2 * static_cast<std::size_t>(size) * kColumns + kOverread);
    rows_are_used_once_ = !collect_ && !image_.floats && patch_.height >= 2 * std::int64_t{height_};
    format_ = {collect_ ? size : image_.pixel_stride, image_.is_rgb, false};
}

// The two pixels of each of `count` columns, one after the other.
const std::uint8_t* Resampler::collect_columns(const std::uint8_t* row, int from, int count) {
    const std::size_t size = image_.floats ? 12 : 3;
    std::uint8_t* out = collected_.data();
    for (int i = 0; i < 2 * count; ++i, out += size) {
        const std::int64_t column = columns_.data()[from + i / 2] + i % 2;
        if (column >= 0 && column < image_.width) {
            std::memcpy(out, row + column * image_.pixel_stride, size);
        } else {
            std::memset(out, 0, size);
        }
    }
    return collected_.data();
}

// Prefetches the pixels for row y. The rows of a small patch are too short for the prefetcher of the CPU.
void Resampler::fetch_for(int y) {
    const std::int32_t first = offsets_.data()[0];
    const std::int32_t last = offsets_.data()[width_ - 1];
    // Do not prefetch if most cache lines between two columns would not be used.
    if (collect_ || y >= height_ || last - first > std::int64_t{kCacheLine} * width_) return;
    const std::int64_t index = position(y, row_step_).index;
    for (std::int64_t at = index; at <= index + 1; ++at) {
        const std::int64_t image_y = patch_.y + std::clamp<std::int64_t>(at, 0, patch_.height - 1);
        if (image_y < 0 || image_y >= image_.height) continue;
        const std::uint8_t* row = image_.data + image_y * image_.row_stride;
        for (std::int64_t x = first; x <= last; x += kCacheLine) prefetch(row + x);
        prefetch(row + last);
        // Without a side effect GCC treats this function as pure and removes its calls.
        cancellation_point_.advance((last - first) / kCacheLine + 2);
    }
}

// Source row y of the patch, resampled horizontally, planar.
const float* Resampler::source_row(std::int64_t y) {
    for (int i = 0; i < 2; ++i) {
        if (row_numbers_[i] == y) {
            oldest_ = 1 - i;
            return rows_[i].data();
        }
    }
    const int slot = oldest_;
    row_numbers_[slot] = -1;  // in case the work ends before the row is complete
    oldest_ = 1 - slot;
    const std::ptrdiff_t stride = padded(width_);
    float* out = rows_[slot].reserve(static_cast<std::size_t>(3 * stride), cancellation_point_);
    const std::int64_t image_y = patch_.y + y;
    if (image_y < 0 || image_y >= image_.height) {
        std::fill(out, out + 3 * stride, 0.0F);
    } else {
        resample_across(image_y, out, stride);
    }
    row_numbers_[slot] = y;
    return out;
}

void Resampler::resample_across(std::int64_t image_y, float* out, std::ptrdiff_t map_stride) {
    const std::uint8_t* row = image_.data + image_y * image_.row_stride;
    format_.may_overread = collect_ || may_overread(image_y);
    const auto resample = image_.floats ? kernels_.resample_f32 : kernels_.resample_u8;
    for (int x = 0; x < width_; x += kColumns) {
        const int count = std::min(kColumns, width_ - x);
        const std::uint8_t* pixels = collect_ ? collect_columns(row, x, count) : row;
        resample(pixels, interpolation(x, count), format_, out + x, map_stride);
        cancellation_point_.advance(std::int64_t{3} * count);
    }
}

// Resamples and blends two rows of the image without a float copy of either.
void Resampler::resample_two(std::int64_t upper, std::int64_t lower, const Blend& blend, float* out,
                             std::ptrdiff_t map_stride) {
    format_.may_overread = may_overread(lower);
    for (int x = 0; x < width_; x += kColumns) {
        const int count = std::min(kColumns, width_ - x);
        kernels_.resample_blend_u8(image_.data + upper * image_.row_stride, image_.data + lower * image_.row_stride,
                                   interpolation(x, count), format_, blend, out + x, map_stride);
        cancellation_point_.advance(std::int64_t{9} * count);
    }
}

RowInterpolation Resampler::interpolation(int x, int count) const {
    return {offsets_.data() + x, left_weights_.data() + x, right_weights_.data() + x, count};
}

// The bytes after a row belong to the next row. The bytes after the last row must not be read.
bool Resampler::may_overread(std::int64_t image_y) const {
    return image_y + 1 < image_.height && image_.row_stride >= kOverread;
}

float Resampler::value(std::int64_t x, std::int64_t y, int channel) const {
    x += patch_.x;
    y += patch_.y;
    if (x < 0 || y < 0 || x >= image_.width || y >= image_.height) return 0;
    const std::uint8_t* pixel = image_.data + y * image_.row_stride + x * image_.pixel_stride;
    const int place = image_.is_rgb ? channel : 2 - channel;
    if (!image_.floats) return pixel[place];
    float value = 0;
    std::memcpy(&value, pixel + 4 * static_cast<std::ptrdiff_t>(place), sizeof value);
    return value;
}

void Resampler::copy_row(int y, float* out, std::ptrdiff_t map_stride) {
    for (int c = 0; c < 3; ++c) {
        for (int x = 0; x < width_; ++x) {
            out[c * map_stride + x] = (value(x, y, c) - normalisation_.centre) * normalisation_.scale;
            cancellation_point_.advance(1);
        }
    }
}

void Resampler::halve_row(int y, float* out, std::ptrdiff_t map_stride) {
    const std::int64_t upper = 2 * std::int64_t{y};
    for (int c = 0; c < 3; ++c) {
        for (int x = 0; x < width_; ++x) {
            const std::int64_t left = 2 * std::int64_t{x};
            const float sum = value(left, upper, c) + value(left + 1, upper, c) + value(left, upper + 1, c) +
                              value(left + 1, upper + 1, c);
            out[c * map_stride + x] = (sum * 0.25F - normalisation_.centre) * normalisation_.scale;
            cancellation_point_.advance(4);
        }
    }
}

void Resampler::row(int y, float* out, std::ptrdiff_t map_stride) {
    if (mode_ == Mode::kCopy) return copy_row(y, out, map_stride);
    if (mode_ == Mode::kHalve) return halve_row(y, out, map_stride);
    fetch_for(y + 1);
    const Position p = position(y, row_step_);
    const Blend blend{1.0F - p.fraction, p.fraction, normalisation_.centre, normalisation_.scale};
    const std::int64_t last = patch_.height - 1;
    const std::int64_t upper = std::clamp<std::int64_t>(p.index, 0, last);
    const std::int64_t lower = std::clamp<std::int64_t>(p.index + 1, 0, last);
    if (rows_are_used_once_ && patch_.y + upper >= 0 && patch_.y + lower < image_.height) {
        return resample_two(patch_.y + upper, patch_.y + lower, blend, out, map_stride);
    }
    const float* above = source_row(upper);
    const float* below = source_row(lower);
    const std::ptrdiff_t stride = padded(width_);
    for (int x = 0; x < width_; x += kColumns) {
        const int count = std::min(kColumns, width_ - x);
        for (int c = 0; c < 3; ++c) {
            kernels_.blend(above + c * stride + x, below + c * stride + x, blend, out + c * map_stride + x, count);
        }
        cancellation_point_.advance(std::int64_t{3} * count);
    }
}

}  // namespace mtcnn
