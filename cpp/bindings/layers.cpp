#include "layers.h"
#include "register.h"

#include <cstring>

#include "signals.h"

#include "gil.h"
#include "mtcnn/crop_network.h"
#include "mtcnn/error_bound.h"
#include "mtcnn/exp.h"
#include "mtcnn/float_mode.h"
#include "mtcnn/kernels/dispatch.h"
#include "mtcnn/planar_network.h"

namespace bindings {
namespace {

using mtcnn::Layer;

std::vector<float> values_of(const py::array& array, const std::string& name, const std::vector<py::ssize_t>& shape) {
    const float* data = contiguous_floats(array, name, shape);
    return {data, data + array.size()};
}

int size_of(const py::array& array, int axis) {
    return array.shape(axis) > INT32_MAX ? 0 : static_cast<int>(array.shape(axis));
}

mtcnn::Conv2d to_conv2d(const py::array& kernel, const py::array& bias) {
    mtcnn::Conv2d conv;
    conv.kernel = values_of(kernel, "kernel", {-1, -1, -1, -1});
    if (kernel.size() == 0) throw_invalid("kernel", "not empty", kernel);
    conv.out_maps = size_of(kernel, 0);
    conv.in_maps = size_of(kernel, 1);
    conv.kernel_y = size_of(kernel, 2);
    conv.kernel_x = size_of(kernel, 3);
    conv.bias = values_of(bias, "bias", {kernel.shape(0)});
    return conv;
}

mtcnn::MaxPool to_max_pool(int kernel_x, int kernel_y, int stride_x, int stride_y) {
    if (std::min({kernel_x, kernel_y, stride_x, stride_y}) < 1) {
        throw py::value_error("max_pool: kernel and stride must be 1 or more");
    }
    return {kernel_x, kernel_y, stride_x, stride_y};
}

mtcnn::FullyConnected to_fully_connected(const py::array& weights, const py::array& bias) {
    mtcnn::FullyConnected fc;
    fc.weights = values_of(weights, "weights", {-1, -1});
    if (weights.size() == 0) throw_invalid("weights", "not empty", weights);
    fc.inputs = size_of(weights, 0);
    fc.outputs = size_of(weights, 1);
    fc.bias = values_of(bias, "bias", {weights.shape(1)});
    return fc;
}

Layer to_layer(const py::handle& layer) {
    const auto kind = py::type::of(layer).attr("__name__").cast<std::string>();
    const auto array = [&](const char* name) { return layer.attr(name).cast<py::array>(); };
    const auto number = [&](const char* name) { return layer.attr(name).cast<int>(); };
    if (kind == "Conv2d") return to_conv2d(array("kernel"), array("bias"));
    if (kind == "MaxPool") {
        return to_max_pool(number("kernel_x"), number("kernel_y"), number("stride_x"), number("stride_y"));
    }
    if (kind == "FullyConnected") return to_fully_connected(array("weights"), array("bias"));
    if (kind == "PReLU") return mtcnn::PReLU{values_of(array("slopes"), "slopes", {-1})};
    if (kind == "Sigmoid") return mtcnn::Sigmoid{};
    throw py::type_error("a layer must be Conv2d, MaxPool, FullyConnected, PReLU or Sigmoid, got " + kind);
}

py::array_t<float> array_of(const std::vector<float>& values, const std::vector<py::ssize_t>& shape) {
    py::array_t<float> array(shape);
    if (!values.empty()) std::memcpy(array.mutable_data(), values.data(), values.size() * sizeof(float));
    return array;
}

// Maps (C, H, W) or a vector (C,).
struct Maps {
    const float* data;
    int channels, height, width;
    bool flat;
};

Maps to_maps(const py::array& array) {
    const bool flat = array.ndim() == 1;
    const float* data = flat ? contiguous_floats(array, "maps", {-1}) : contiguous_floats(array, "maps", {-1, -1, -1});
    if (array.size() == 0 || array.size() > INT32_MAX) throw_invalid("maps", "not empty and below 2^31 values", array);
    return {data, size_of(array, 0), flat ? 1 : size_of(array, 1), flat ? 1 : size_of(array, 2), flat};
}

std::string shape_of(const Maps& maps) {
    const std::string channels = std::to_string(maps.channels);
    if (maps.flat) return channels;
    return channels + " x " + std::to_string(maps.height) + " x " + std::to_string(maps.width);
}

[[noreturn]] void mismatch(const std::string& component, const std::string& expected, const std::string& found) {
    throw py::value_error(component + ": expected " + expected + ", found " + found);
}

// Throws the same errors as the reference if the layer cannot run on these maps.
void check_input(const Layer& layer, const Maps& maps) {
    const std::string height = std::to_string(maps.height);
    const std::string width = std::to_string(maps.width);
    if (const auto* conv = std::get_if<mtcnn::Conv2d>(&layer)) {
        if (maps.flat) mismatch("conv2d", "maps (C, H, W)", "a vector");
        if (conv->in_maps != maps.channels || conv->kernel_y > maps.height || conv->kernel_x > maps.width) {
            mismatch("conv2d",
                     "maps (" + std::to_string(conv->in_maps) + ", " + std::to_string(conv->kernel_y) + " or more, " +
                         std::to_string(conv->kernel_x) + " or more)",
                     "(" + std::to_string(maps.channels) + ", " + height + ", " + width + ")");
        }
    } else if (const auto* pool = std::get_if<mtcnn::MaxPool>(&layer)) {
        if (maps.flat) mismatch("max_pool", "maps (C, H, W)", "a vector");
        if (mtcnn::pooled_size(maps.height, pool->kernel_y, pool->stride_y) < 1 ||
            mtcnn::pooled_size(maps.width, pool->kernel_x, pool->stride_x) < 1) {
            mismatch("max_pool", "a kernel that fits " + height + " x " + width + " maps",
                     std::to_string(pool->kernel_y) + " x " + std::to_string(pool->kernel_x));
        }
    } else if (const auto* fc = std::get_if<mtcnn::FullyConnected>(&layer)) {
        const std::int64_t all = std::int64_t{maps.channels} * maps.height * maps.width;
        if (fc->inputs != maps.channels && fc->inputs != all) {
            mismatch("fully_connected", std::to_string(fc->inputs) + " values", shape_of(maps));
        }
    } else if (const auto* prelu = std::get_if<mtcnn::PReLU>(&layer)) {
        if (std::ssize(prelu->slopes) != maps.channels) {
            mismatch("prelu", std::to_string(prelu->slopes.size()) + " maps", std::to_string(maps.channels));
        }
    }
}

// Row y of the maps. `stride` is the distance between two maps.
void copy_row(const Maps& maps, int y, float* row, std::ptrdiff_t stride) {
    for (int c = 0; c < maps.channels; ++c) {
        std::memcpy(row + c * stride, maps.data + (std::ptrdiff_t{c} * maps.height + y) * maps.width,
                    static_cast<std::size_t>(maps.width) * sizeof(float));
    }
}

}  // namespace

mtcnn::Network to_network(const py::object& network) {
    mtcnn::Network result;
    for (const py::handle layer : network.attr("layers")) result.layers.push_back(to_layer(layer));
    return result;
}

py::object from_network(const mtcnn::Network& network) {
    const py::module_ model = py::module_::import("mtcnn_cpp.reference.model");
    const py::tuple layers(network.layers.size());
    for (std::size_t i = 0; i < network.layers.size(); ++i) {
        const Layer& layer = network.layers[i];
        py::object made;
        if (const auto* conv = std::get_if<mtcnn::Conv2d>(&layer)) {
            made = model.attr("Conv2d")(
                array_of(conv->kernel, {conv->out_maps, conv->in_maps, conv->kernel_y, conv->kernel_x}),
                array_of(conv->bias, {conv->out_maps}));
        } else if (const auto* pool = std::get_if<mtcnn::MaxPool>(&layer)) {
            made = model.attr("MaxPool")(pool->kernel_x, pool->kernel_y, pool->stride_x, pool->stride_y);
        } else if (const auto* fc = std::get_if<mtcnn::FullyConnected>(&layer)) {
            made = model.attr("FullyConnected")(array_of(fc->weights, {fc->inputs, fc->outputs}),
                                                array_of(fc->bias, {fc->outputs}));
        } else if (const auto* prelu = std::get_if<mtcnn::PReLU>(&layer)) {
            made = model.attr("PReLU")(array_of(prelu->slopes, {static_cast<py::ssize_t>(prelu->slopes.size())}));
        } else {
            made = model.attr("Sigmoid")();
        }
        layers[i] = made;
    }
    return model.attr("Network")(layers);
}

py::array_t<float> run_layer(const Layer& layer, const py::array& array, const mtcnn::Kernels& kernels,
                             bool over_pixels) {
    CoreCall call;
    const Maps maps = to_maps(array);
    check_input(layer, maps);
    const mtcnn::Network network{{layer}};
    mtcnn::TensorView result;
    const auto keep = [&](const std::string&, const mtcnn::TensorView& view) { result = view; };
    const auto* fc = std::get_if<mtcnn::FullyConnected>(&layer);
    const bool flattening = fc != nullptr && (maps.flat || fc->inputs != maps.channels);
    {
        const GilReleased unlocked;
        if (over_pixels && !maps.flat && !flattening) {
            const mtcnn::PlanarNetwork planar(network, maps.channels, kernels);
            planar.run_with_hook(
                maps.height, maps.width,
                [&](int y, float* row, std::ptrdiff_t stride) { copy_row(maps, y, row, stride); },
                [](int, const float*, std::ptrdiff_t) {}, keep, call.cancellation_point());
        } else {
            const mtcnn::CropNetwork crop(network, maps.channels, maps.height, maps.width, kernels, maps.flat);
            crop.run_with_hook(
                [&](int, float* input) {
                    for (int y = 0; y < maps.height; ++y) {
                        copy_row(maps, y, input + std::ptrdiff_t{y} * maps.channels * crop.row_size(), crop.row_size());
                    }
                },
                keep, call.cancellation_point());
        }
    }
    return copy_of(result);
}

void register_layers(py::module_& m) {
    const auto over_pixels = [](const std::string& lanes) {
        if (lanes != "pixels" && lanes != "channels") {
            throw py::value_error("lanes must be \"pixels\" or \"channels\", got \"" + lanes + "\"");
        }
        return lanes == "pixels";
    };
    m.def(
        "conv2d",
        [over_pixels](const py::array& maps, const py::array& kernel, const py::array& bias, const std::string& isa,
                      const std::string& lanes) {
            return run_layer(to_conv2d(kernel, bias), maps, mtcnn::select_kernels(isa), over_pixels(lanes));
        },
        py::arg("maps").noconvert(), py::arg("kernel").noconvert(), py::arg("bias").noconvert(), py::arg("isa") = "",
        py::arg("lanes") = "pixels", "Convolution, stride 1, no padding: (C, H, W) -> (O, H', W') float32.");
    m.def(
        "prelu",
        [over_pixels](const py::array& maps, const py::array& slopes, const std::string& isa,
                      const std::string& lanes) {
            return run_layer(mtcnn::PReLU{values_of(slopes, "slopes", {-1})}, maps, mtcnn::select_kernels(isa),
                             over_pixels(lanes));
        },
        py::arg("maps").noconvert(), py::arg("slopes").noconvert(), py::arg("isa") = "", py::arg("lanes") = "pixels",
        "v >= 0 ? v : v * slope, with one slope per channel.");
    m.def(
        "max_pool",
        [over_pixels](const py::array& maps, int kernel_x, int kernel_y, int stride_x, int stride_y,
                      const std::string& isa, const std::string& lanes) {
            return run_layer(to_max_pool(kernel_x, kernel_y, stride_x, stride_y), maps, mtcnn::select_kernels(isa),
                             over_pixels(lanes));
        },
        py::arg("maps").noconvert(), py::arg("kernel_x"), py::arg("kernel_y"), py::arg("stride_x"), py::arg("stride_y"),
        py::arg("isa") = "", py::arg("lanes") = "pixels", "Max pooling, ceil mode.");
    m.def(
        "fully_connected",
        [over_pixels](const py::array& maps, const py::array& weights, const py::array& bias, const std::string& isa,
                      const std::string& lanes) {
            return run_layer(to_fully_connected(weights, bias), maps, mtcnn::select_kernels(isa), over_pixels(lanes));
        },
        py::arg("maps").noconvert(), py::arg("weights").noconvert(), py::arg("bias").noconvert(), py::arg("isa") = "",
        py::arg("lanes") = "pixels",
        "Fully connected layer: per pixel of the maps if their number equals the inputs, otherwise on all values.");
    m.def(
        "sigmoid",
        [](const py::array& maps) { return run_layer(mtcnn::Sigmoid{}, maps, mtcnn::select_kernels({}), true); },
        py::arg("maps").noconvert(), "1 / (1 + exp_opencv(-v)), in float32.");
    const auto map_floats = [](const py::array& values, float (*function)(float)) {
        const mtcnn::DefaultFloatMode mode;
        const float* data = contiguous_floats(values, "values", {-1});
        py::array_t<float> result(values.size());
        std::transform(data, data + values.size(), result.mutable_data(), function);
        return result;
    };
    m.def(
        "exp_opencv", [map_floats](const py::array& values) { return map_floats(values, mtcnn::exp_opencv); },
        py::arg("values").noconvert(), "e^x of float32 (N,) as cv::exp computes it.");
    m.def(
        "exp_glibc", [map_floats](const py::array& values) { return map_floats(values, mtcnn::exp_glibc); },
        py::arg("values").noconvert(), "e^x of float32 (N,) as glibc's expf computes it.");
    m.def(
        "error_bound",
        [](const py::array& kernel, const py::array& bias, const py::array& slopes, const py::array& weights,
           const py::array& fc_bias) -> std::optional<std::pair<double, double>> {
            const mtcnn::DefaultFloatMode mode;
            const auto bound =
                mtcnn::error_bound(to_conv2d(kernel, bias), {values_of(slopes, "slopes", {kernel.shape(0)})},
                                   to_fully_connected(weights, fc_bias));
            if (!bound) return std::nullopt;
            return std::pair<double, double>(bound->relative, bound->absolute);
        },
        py::arg("kernel").noconvert(), py::arg("bias").noconvert(), py::arg("slopes").noconvert(),
        py::arg("weights").noconvert(), py::arg("fc_bias").noconvert(),
        "The factor of the norm and the constant of the bound, or None if they are not finite.");
}

}  // namespace bindings
