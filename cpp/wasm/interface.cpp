// The C interface of the core for web/mtcnn_cpp.js. Functions that can fail return a Status; message() is its text.
// Numbers are in the memory of the module: the caller allocates with allocate() and frees with release().
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "mtcnn/cascade.h"
#include "mtcnn/float_mode.h"
#include "mtcnn/kernels/kernels.h"
#include "mtcnn/memory.h"

#define MTCNN_EXPORT(name) extern "C" __attribute__((export_name(#name)))
#define MTCNN_IMPORT(name) extern "C" __attribute__((import_module("mtcnn_cpp"), import_name(#name)))

// Whether the caller requests a tensor.
MTCNN_IMPORT(wants_tensor) bool wants_tensor(const char* name, std::size_t length);
// Receives a requested tensor. The values are contiguous in row order and valid during the call.
MTCNN_IMPORT(add_tensor)
void add_tensor(const char* name, std::size_t length, const void* values, bool integers, const std::int32_t* shape,
                std::size_t dimensions);

namespace {

enum Status : int { kOk = 0, kInvalid = 1, kNoMemory = 2, kInternal = 3 };

std::string last_message;
std::vector<float> last_faces;

template <class Work>
int status_of(const Work& work) {
    try {
        work();
        return kOk;
    } catch (const mtcnn::MemoryLimit& error) {
        last_message = error.what();
        return kNoMemory;
    } catch (const std::bad_alloc&) {
        last_message = "the memory of WebAssembly is exhausted";
        return kNoMemory;
    } catch (const std::length_error&) {  // a vector of more elements than memory has
        last_message = "the memory of WebAssembly is exhausted";
        return kNoMemory;
    } catch (const std::invalid_argument& error) {
        last_message = error.what();
        return kInvalid;
    } catch (const std::exception& error) {
        last_message = error.what();
        return kInternal;
    }
}

// Copies a dimension of a tensor with any strides to contiguous memory, and the dimensions after it.
std::byte* copy_dimension(const mtcnn::TensorView& view, std::size_t dimension, const std::byte* from, std::byte* to) {
    constexpr std::ptrdiff_t kItem = 4;
    const bool last = dimension + 1 == view.shape.size();
    const std::ptrdiff_t count = view.shape[dimension];
    if (last && view.strides[dimension] == kItem) {
        if (count > 0) std::memcpy(to, from, static_cast<std::size_t>(count * kItem));
        return to + count * kItem;
    }
    for (std::ptrdiff_t i = 0; i < count; ++i, from += view.strides[dimension]) {
        if (last) {
            std::memcpy(to, from, kItem);
            to += kItem;
        } else {
            to = copy_dimension(view, dimension + 1, from, to);
        }
    }
    return to;
}

void pass_tensor(const std::string& name, const mtcnn::TensorView& view) {
    if (!wants_tensor(name.data(), name.size())) return;
    std::vector<std::int32_t> shape(view.shape.begin(), view.shape.end());
    std::size_t count = 1;
    for (const std::int32_t size : shape) count *= static_cast<std::size_t>(size);
    std::vector<float> values(count);
    copy_dimension(view, 0, static_cast<const std::byte*>(view.data), reinterpret_cast<std::byte*>(values.data()));
    add_tensor(name.data(), name.size(), values.data(), view.integers, shape.data(), shape.size());
}

mtcnn::Image rgba_image(const std::uint8_t* pixels, int width, int height) {
    mtcnn::Image image;
    image.data = pixels;
    image.width = width;
    image.height = height;
    image.pixel_stride = 4;
    image.row_stride = std::ptrdiff_t{4} * width;
    image.is_rgb = true;
    return image;
}

}  // namespace

// Text of the last status that was not kOk, ends with 0.
MTCNN_EXPORT(message) const char* message() { return last_message.c_str(); }

// Null if there is not enough memory.
MTCNN_EXPORT(allocate) void* allocate(std::size_t bytes) { return std::malloc(bytes); }
MTCNN_EXPORT(release) void release(void* memory) { std::free(memory); }

// Creates a detector from the bytes of PNet.dat, RNet.dat and ONet.dat.
MTCNN_EXPORT(create)
int create(const std::byte* pnet, std::size_t pnet_size, const std::byte* rnet, std::size_t rnet_size,
           const std::byte* onet, std::size_t onet_size, mtcnn::Detector** detector) {
    return status_of([&] {
        using mtcnn::read_network;
        mtcnn::Model model{read_network({pnet, pnet_size}, "PNet.dat", mtcnn::kPNet),
                           read_network({rnet, rnet_size}, "RNet.dat", mtcnn::kRNet),
                           read_network({onet, onet_size}, "ONet.dat", mtcnn::kONet)};
        *detector = std::make_unique<mtcnn::Detector>(std::move(model), mtcnn::kernels_generic).release();
    });
}

MTCNN_EXPORT(destroy) void destroy(mtcnn::Detector* detector) { delete detector; }

// Detects faces in width x height pixels of four bytes: red, green, blue, ignored. numbers: min_face, three thresholds,
// scale_factor, memory_limit. With `trace` it passes every tensor. The results are in faces().
MTCNN_EXPORT(detect)
int detect(const mtcnn::Detector* detector, const std::uint8_t* pixels, int width, int height, const double* numbers,
           bool trace) {
    return status_of([&] {
        mtcnn::Options options;
        options.min_face = numbers[0];
        for (std::size_t i = 0; i < 3; ++i) options.thresholds[i] = mtcnn::to_float(numbers[1 + i]);
        options.scale_factor = numbers[4];
        options.memory_limit = static_cast<std::int64_t>(numbers[5]);
        const mtcnn::Detections found = detector->detect(rgba_image(pixels, width, height), options,
                                                         trace ? mtcnn::Hook(pass_tensor) : mtcnn::Hook());
        last_faces.clear();
        for (std::size_t i = 0; i < found.boxes.size(); ++i) {
            const mtcnn::Box& box = found.boxes[i];
            last_faces.insert(last_faces.end(), {box.x, box.y, box.width, box.height, found.scores[i]});
            last_faces.insert(last_faces.end(), found.landmarks[i].begin(), found.landmarks[i].end());
        }
    });
}

// The faces of the last detection: x, y, width, height, score, and x and y of five landmarks.
MTCNN_EXPORT(faces) const float* faces() { return last_faces.data(); }
MTCNN_EXPORT(face_count) std::size_t face_count() { return last_faces.size() / 15; }
