// Detects several times in one image; prints the number of faces and heap allocations of each detection.
//   detections MTCNN_detector.txt IMAGE.ppm TIMES [THREADS]
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <new>
#include <string>
#include <vector>

#include "mtcnn/cascade.h"
#include "mtcnn/kernels/dispatch.h"

namespace {

std::atomic<long> allocations{0};
std::atomic<long> bytes{0};

void* allocate(std::size_t size, std::size_t alignment) {
    ++allocations;
    bytes += static_cast<long>(size);
    void* memory = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
    if (!memory) throw std::bad_alloc();
    return memory;
}

}  // namespace

void* operator new(std::size_t size) { return allocate(size, alignof(std::max_align_t)); }
void* operator new[](std::size_t size) { return allocate(size, alignof(std::max_align_t)); }
void* operator new(std::size_t size, std::align_val_t a) { return allocate(size, static_cast<std::size_t>(a)); }
void* operator new[](std::size_t size, std::align_val_t a) { return allocate(size, static_cast<std::size_t>(a)); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

int main(int count, char** arguments) {
    if (count < 4) return std::fprintf(stderr, "detections MTCNN_detector.txt IMAGE.ppm TIMES [THREADS]\n"), 2;
    std::ifstream file(arguments[2], std::ios::binary);
    std::string kind;
    int height = 0, width = 0, maximum = 0;
    file >> kind >> width >> height >> maximum;
    file.get();
    std::vector<char> pixels(std::size_t{3} * static_cast<std::size_t>(height) * static_cast<std::size_t>(width));
    if (kind != "P6" || !file.read(pixels.data(), static_cast<std::streamsize>(pixels.size()))) {
        return std::fprintf(stderr, "%s: expected a P6 image\n", arguments[2]), 2;
    }
    mtcnn::Image image;
    image.data = reinterpret_cast<const std::uint8_t*>(pixels.data());
    image.height = height;
    image.width = width;
    image.row_stride = std::ptrdiff_t{3} * width;
    image.pixel_stride = 3;
    image.is_rgb = true;
    mtcnn::Options options;
    if (count > 4) options.threads = std::atoi(arguments[4]);
    const mtcnn::Detector detector(mtcnn::read_model(arguments[1]), mtcnn::select_kernels());
    for (int i = 1; i <= std::atoi(arguments[3]); ++i) {
        allocations = bytes = 0;
        const std::size_t faces = detector.detect(image, options).boxes.size();
        std::printf("%s detection %d: %zu faces, %ld allocations, %ld bytes\n", detector.kernels().name, i, faces,
                    allocations.load(), bytes.load());
    }
}
