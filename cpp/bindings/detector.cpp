#include "register.h"

#include <cstring>
#include <memory>

#include "gil.h"
#include "layers.h"
#include "mtcnn/float_mode.h"
#include "mtcnn/kernels/dispatch.h"
#include "signals.h"

namespace bindings {
namespace {

py::tuple detect(const mtcnn::Detector& detector, const py::array& image, bool is_rgb, const mtcnn::Options& options,
                 const py::object& hook, const mtcnn::CancellationSource* cancellation,
                 mtcnn::Profile* profile = nullptr) {
    const mtcnn::Image view = to_image(image, is_rgb);
    const mtcnn::Hook core_hook = to_hook(hook);
    mtcnn::Detections found;
    {
        const GilReleased unlocked;
        found = detector.detect(view, options, core_hook, profile, {cancellation, signal_poll()});
    }
    return py::make_tuple(to_array(found.boxes), to_array(found.scores), to_array(found.landmarks));
}

mtcnn::Options make_options(double min_face, const std::array<double, 3>& thresholds, double scale_factor, int threads,
                            std::int64_t memory_limit) {
    const mtcnn::DefaultFloatMode mode;
    mtcnn::Options options;
    options.min_face = min_face;
    for (std::size_t i = 0; i < 3; ++i) options.thresholds[i] = mtcnn::to_float(thresholds[i]);
    options.scale_factor = scale_factor;
    options.threads = threads;
    options.memory_limit = memory_limit;
    return options;
}

// Formats a text like Python's repr().
std::string quoted(const std::string& text) { return py::repr(py::str(text)).cast<std::string>(); }

const mtcnn::Network& network_of(const mtcnn::Detector& detector, const std::string& stage) {
    if (stage == "pnet") return detector.model().pnet;
    if (stage == "rnet") return detector.model().rnet;
    if (stage == "onet") return detector.model().onet;
    throw py::value_error("no network " + quoted(stage) + ", expected pnet, rnet or onet");
}

py::array_t<float> layer(const mtcnn::Detector& detector, const std::string& stage, const std::string& name,
                         const py::array& maps) {
    const mtcnn::Network& network = network_of(detector, stage);
    const std::vector<std::string> names = network.names();
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) {
        std::string known;
        for (const std::string& n : names) known += (known.empty() ? "" : ", ") + n;
        throw py::value_error(stage + " has no layer " + quoted(name) + ", it has " + known);
    }
    return run_layer(network.layers[static_cast<std::size_t>(found - names.begin())], maps, detector.kernels(),
                     stage == "pnet");
}

py::array_t<float> forward_planar(const mtcnn::Detector& detector, const py::array& maps) {
    CoreCall call;
    const float* data = contiguous_floats(maps, "maps", {-1, 3, -1, -1});
    const int height = static_cast<int>(maps.shape(2));
    const int width = static_cast<int>(maps.shape(3));
    const auto size = mtcnn::map_size(detector.model().pnet, height, width);
    if (!size) throw_invalid("maps", "large enough for PNet", maps);
    py::array_t<float> result({maps.shape(0), py::ssize_t{6}, py::ssize_t{size->first}, py::ssize_t{size->second}});
    float* out = result.mutable_data();
    const py::ssize_t items = maps.shape(0);
    const std::ptrdiff_t in_size = std::ptrdiff_t{3} * height * width;
    const std::ptrdiff_t out_map = std::ptrdiff_t{size->first} * size->second;
    const GilReleased unlocked;
    mtcnn::PlanarScratch scratch;
    for (py::ssize_t n = 0; n < items; ++n, data += in_size, out += 6 * out_map) {
        detector.pnet().run(
            height, width, 0, size->first,
            [&](int y, float* row, std::ptrdiff_t stride) {
                for (int c = 0; c < 3; ++c) {
                    std::memcpy(row + c * stride, data + (std::ptrdiff_t{c} * height + y) * width,
                                static_cast<std::size_t>(width) * sizeof(float));
                }
            },
            [&](int y, const float* row, std::ptrdiff_t stride) {
                for (int c = 0; c < 6; ++c) {
                    std::memcpy(out + c * out_map + std::ptrdiff_t{y} * size->second, row + c * stride,
                                static_cast<std::size_t>(size->second) * sizeof(float));
                }
            },
            scratch, call.cancellation_point());
    }
    return result;
}

py::array_t<float> forward_crops(const mtcnn::CropNetwork& network, int side, const py::array& maps) {
    CoreCall call;
    const float* data = contiguous_floats(maps, "maps", {-1, 3, side, side});
    const py::ssize_t items = maps.shape(0);
    const int outputs = network.stages().back().out_maps;
    py::array_t<float> result({items, py::ssize_t{outputs}});
    float* out = result.mutable_data();
    const GilReleased unlocked;
    mtcnn::CropScratch scratch;
    for (py::ssize_t from = 0; from < items; from += network.group_size()) {
        const int count = static_cast<int>(std::min<py::ssize_t>(network.group_size(), items - from));
        const float* values = network.run(
            count,
            [&](int crop, float* input) {
                const float* planes = data + (from + crop) * 3 * side * side;
                for (int y = 0; y < side; ++y) {
                    for (int c = 0; c < 3; ++c) {
                        std::memcpy(input + std::ptrdiff_t{3 * y + c} * network.row_size(),
                                    planes + (std::ptrdiff_t{c} * side + y) * side,
                                    static_cast<std::size_t>(side) * sizeof(float));
                    }
                }
            },
            scratch, call.cancellation_point());
        for (int crop = 0; crop < count; ++crop, out += outputs) {
            std::copy_n(values + std::ptrdiff_t{crop} * mtcnn::padded(outputs), outputs, out);
        }
    }
    return result;
}

py::array_t<float> forward(const mtcnn::Detector& detector, const std::string& stage, const py::array& maps) {
    if (stage == "pnet") return forward_planar(detector, maps);
    network_of(detector, stage);
    return stage == "rnet" ? forward_crops(detector.rnet(), *mtcnn::kRNet.input_size, maps)
                           : forward_crops(detector.onet(), *mtcnn::kONet.input_size, maps);
}

}  // namespace

void register_detector(py::module_& m) {
    using mtcnn::Detector;
    py::class_<Detector>(m, "Detector", "The cascade with the three networks of a model, on one set of kernels.")
        .def(py::init([](const py::object& pnet, const py::object& rnet, const py::object& onet, const std::string& isa,
                         bool filter) {
                 return std::make_unique<Detector>(mtcnn::Model{to_network(pnet), to_network(rnet), to_network(onet)},
                                                   mtcnn::select_kernels(isa), filter);
             }),
             py::arg("pnet"), py::arg("rnet"), py::arg("onet"), py::arg("isa") = "", py::arg("filter") = true)
        .def_property_readonly("isa", [](const Detector& d) { return std::string(d.kernels().name); })
        .def(
            "detect",
            [](const Detector& d, const py::array& image, bool is_rgb, double min_face,
               const std::array<double, 3>& thresholds, double scale_factor, int threads, const py::object& hook,
               const mtcnn::CancellationSource* cancellation, std::int64_t memory_limit) {
                return detect(d, image, is_rgb, make_options(min_face, thresholds, scale_factor, threads, memory_limit),
                              hook, cancellation);
            },
            py::arg("image").noconvert(), py::arg("is_rgb"), py::arg("min_face"), py::arg("thresholds"),
            py::arg("scale_factor"), py::arg("threads"), py::arg("hook") = py::none(),
            py::arg("cancellation") = py::none(), py::arg("memory_limit") = 0,
            "Returns boxes (N, 4), scores (N,) and landmarks (N, 5, 2), all float32. Calls hook(name, array) for every "
            "tensor. Raises Cancelled soon after cancellation is set, the exception of a signal handler (on the main "
            "thread), or MemoryError before it uses more than memory_limit bytes (0: the free memory).")
        .def(
            "profile",
            [](const Detector& d, const py::array& image, bool is_rgb, double min_face,
               const std::array<double, 3>& thresholds, double scale_factor, int threads) {
                mtcnn::Profile p;
                detect(d, image, is_rgb, make_options(min_face, thresholds, scale_factor, threads, 0), py::none(),
                       nullptr, &p);
                return py::dict(py::arg("resize") = p.resize, py::arg("pnet") = p.pnet,
                                py::arg("proposals") = p.proposals, py::arg("rnet") = p.rnet, py::arg("onet") = p.onet,
                                py::arg("total") = p.total, py::arg("boxes_into_rnet") = p.boxes_into_rnet,
                                py::arg("boxes_into_onet") = p.boxes_into_onet);
            },
            py::arg("image").noconvert(), py::arg("is_rgb"), py::arg("min_face"), py::arg("thresholds"),
            py::arg("scale_factor"), py::arg("threads"),
            "Seconds of each part of one detection, and the numbers of boxes that enter RNet and ONet.")
        .def("layer", layer, py::arg("stage"), py::arg("name"), py::arg("maps").noconvert(),
             "Output of one layer alone, for maps (C, H, W) or (C,).")
        .def("forward", forward, py::arg("stage"), py::arg("maps").noconvert(),
             "Outputs of a network for maps (N, 3, H, W): (N, 6, h, w), (N, 6) or (N, 16).");
}

}  // namespace bindings
