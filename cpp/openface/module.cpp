// Python bindings of the original detector and its networks. Each object runs one call at a time, and its input is
// checked before each call.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "build.h"
#include "guards.h"
#include "mtcnn/model.h"
#include "printed.h"
#include "sums.h"

#include <FaceDetectorMTCNN.h>  // last: it uses std::map unincluded, and brings all of std into the global namespace

namespace openface {
namespace {

// Joins the lines of a text.
std::string joined(std::string text) {
    while (!text.empty() && text.back() == '\n') text.pop_back();
    for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos;) text.replace(at, 1, " | ");
    return text;
}

std::string and_said(const std::string& printed) {
    return printed.empty() ? "" : "; OpenFace printed: " + joined(printed.substr(0, 2000));
}

// Calls the original. Every exception except a lack of memory becomes Failed.
template <class Prints, class Call>
void call(const std::string& what, Prints& prints, const Call& original) {
    try {
        original();
    } catch (const cv::Exception& error) {
        throw Failed(what + ": OpenFace threw cv::Exception: " + joined(error.what()) + and_said(prints.text()));
    } catch (const std::bad_alloc&) {
        throw;
    } catch (const std::exception& error) {
        throw Failed(what + ": OpenFace threw: " + joined(error.what()) + and_said(prints.text()));
    } catch (...) {
        throw Failed(what + ": OpenFace threw something that is no std::exception" + and_said(prints.text()));
    }
}

// An object of the original with a lock. Only the process that created it can use it: after fork() the lock may be held
// by a thread that does not exist in the child.
template <class Original>
class Owned {
public:
    Original original;

    // Runs on one thread at a time, without the GIL.
    template <class Call>
    void use(const std::string& what, const Call& call_original) {
        if (getpid() != process_) {
            throw Failed(what + ": expected to be called in process " + std::to_string(process_) +
                         ", which created it, found process " + std::to_string(getpid()) +
                         " (a fork); create another one here");
        }
        const py::gil_scoped_release unlocked;
        const std::lock_guard<std::mutex> one_at_a_time(mutex_);
        ThreadPrints prints;
        call(what, prints, call_original);
    }

private:
    std::mutex mutex_;
    pid_t process_ = getpid();
};

// A temporary file with these bytes. The original reads only files.
class TemporaryFile {
public:
    explicit TemporaryFile(std::string_view bytes) {
        std::string pattern = (std::filesystem::temp_directory_path() / "mtcnn_cpp_XXXXXX").string();
        const int file = mkstemp(pattern.data());
        if (file < 0) throw Failed("a temporary file for a network could not be created in " + pattern);
        path = pattern;
        for (std::size_t done = 0; done < bytes.size();) {
            const ssize_t count = write(file, bytes.data() + done, bytes.size() - done);
            if (count <= 0) break;
            done += static_cast<std::size_t>(count);
        }
        close(file);
        if (std::filesystem::file_size(path) != bytes.size()) {
            unlink(path.c_str());
            throw Failed(path + ": the temporary file for a network could not be written");
        }
    }
    ~TemporaryFile() { unlink(path.c_str()); }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;
    std::string path;
};

class Network {
public:
    Network(std::string_view bytes, const std::string& source)
        : layers_(mtcnn::read_network(std::as_bytes(std::span(bytes)), source)),
          owned_(std::make_unique<Owned<CNN>>()) {
        const TemporaryFile file(bytes);
        ProcessPrints prints;
        call(source, prints, [&] { owned_->original.Read(file.path); });
        if (owned_->original.NumberOfLayers() != layers_.layers.size()) {
            throw Failed(source + ": expected " + std::to_string(layers_.layers.size()) + " layers, OpenFace read " +
                         std::to_string(owned_->original.NumberOfLayers()) + and_said(prints.text()));
        }
    }

    std::size_t layers() const { return layers_.layers.size(); }

    py::array_t<float> inference(const py::array& image) const {
        const cv::Mat input = to_input(image);
        const Shape shape = shape_after(layers_, input.rows, input.cols);
        std::vector<cv::Mat_<float>> maps;
        owned_->use("inference", [&] { maps = owned_->original.Inference(input); });
        return to_array(maps, shape);
    }

private:
    using CNN = LandmarkDetector::CNN;
    mtcnn::Network layers_;
    std::unique_ptr<Owned<CNN>> owned_;
};

class Detector {
public:
    Detector() = default;
    explicit Detector(const std::string& location) { read(location); }

    void read(const std::string& location) {
        mtcnn::read_model(location);  // the original ignores unreadable files and ends the program later
        auto made = std::make_shared<Owned<Original>>();
        ProcessPrints prints;
        call(location, prints, [&] { made->original.Read(location); });
        if (made->original.empty()) throw Failed(location + ": OpenFace read no networks" + and_said(prints.text()));
        owned_ = std::move(made);  // running calls keep the old object until they end
    }

    bool empty() const { return !owned_; }

    py::tuple detect_faces(const py::array& image, int min_face, float t1, float t2, float t3,
                           std::int64_t memory_limit) const {
        const std::shared_ptr<Owned<Original>> owned = owned_;
        if (!owned) throw py::value_error("detect_faces: expected networks, found none; call read(location) first");
        const cv::Mat pixels = to_image(image);
        check_detection(pixels.rows, pixels.cols, min_face, {t1, t2, t3}, memory_limit);
        std::vector<cv::Rect_<float>> regions;
        std::vector<float> confidences;
        owned->use("detect_faces",
                   [&] { owned->original.DetectFaces(regions, pixels, confidences, min_face, t1, t2, t3); });
        if (regions.size() != confidences.size()) {
            throw Failed("detect_faces: OpenFace gave " + std::to_string(regions.size()) + " regions and " +
                         std::to_string(confidences.size()) + " confidences, expected as many");
        }
        const auto count = static_cast<py::ssize_t>(regions.size());
        py::array_t<float> boxes({count, py::ssize_t{4}});
        py::array_t<float> scores(count);
        for (py::ssize_t i = 0; i < count; ++i) {
            const cv::Rect_<float>& box = regions[static_cast<std::size_t>(i)];
            const std::array<float, 4> row = {box.x, box.y, box.width, box.height};
            std::copy(row.begin(), row.end(), boxes.mutable_data(i, 0));
            *scores.mutable_data(i) = confidences[static_cast<std::size_t>(i)];
        }
        return py::make_tuple(boxes, scores);
    }

private:
    using Original = LandmarkDetector::FaceDetectorMTCNN;
    std::shared_ptr<Owned<Original>> owned_;
};

std::string bytes_of_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!std::filesystem::is_regular_file(path) || !file) {
        throw mtcnn::FileNotFound(path + ": expected a .dat file, found none that can be read");
    }
    return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace
}  // namespace openface

PYBIND11_MODULE(_openface, m) {
    using openface::Detector;
    using openface::Network;
    m.doc() = "The OpenFace that this was built with. What would end its program is an error here.";
    openface::check_opencv();
    openface::check_sums();
    py::register_exception<openface::Failed>(m, "OpenFaceError", PyExc_RuntimeError);
    py::register_exception_translator([](std::exception_ptr pointer) {  // NOLINT(performance-unnecessary-value-param)
        try {
            if (pointer) std::rethrow_exception(pointer);
        } catch (const mtcnn::FileNotFound& error) {
            PyErr_SetString(PyExc_FileNotFoundError, error.what());
        }
    });
    m.def("build_info", openface::build_info,
          "Library or source, its SHA-256 at build time, OpenCV, BLAS, order of sums, model.");
    py::class_<Network>(m, "CNN", "One network: a .dat file's bytes, or its path.")
        .def(py::init([](const py::bytes& data, const std::string& source) {
                 return std::make_unique<Network>(std::string_view(data), source);
             }),
             py::arg("data"), py::arg("source") = "network")
        .def(py::init([](const std::string& path) {
                 return std::make_unique<Network>(openface::bytes_of_file(path), path);
             }),
             py::arg("path"))
        .def_property_readonly("layers", &Network::layers)
        .def("inference", &Network::inference, py::arg("image").noconvert(),
             "Output of the last layer, (C, h, w) or (C,) float32, for an image (H, W, 3) float32, BGR, "
             "normalised. One call at a time; other threads wait.");
    py::class_<Detector>(m, "FaceDetectorMTCNN", "The original's detector.")
        .def(py::init<>())
        .def(py::init<const std::string&>(), py::arg("location"))
        .def("read", &Detector::read, py::arg("location"), "Reads an MTCNN_detector.txt and the files it names.")
        .def("empty", &Detector::empty)
        .def("detect_faces", &Detector::detect_faces, py::arg("image").noconvert(), py::arg("min_face") = 60,
             py::arg("t1") = 0.6F, py::arg("t2") = 0.7F, py::arg("t3") = 0.7F, py::arg("memory_limit") = 0,
             "Regions (N, 4) and confidences (N,), float32, for an image (H, W, 3) uint8, BGR, or (H, W) "
             "uint8. One call at a time; other threads wait.");
}
