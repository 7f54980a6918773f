#include "register.h"

#include <cstring>

#include "layers.h"

namespace bindings {

void register_model(py::module_& m) {
    m.def(
        "read_network",
        [](const py::bytes& data, const std::string& source, std::optional<int> input_size,
           std::optional<int> outputs) {
            const std::string_view bytes = data;
            const std::span<const std::byte> span(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size());
            return from_network(mtcnn::read_network(span, source, {input_size, outputs}));
        },
        py::arg("data"), py::arg("source"), py::kw_only(), py::arg("input_size") = py::none(),
        py::arg("outputs") = py::none(),
        "Reads the bytes of a .dat file. Errors are the same as those of reference.model.read_network.");
    m.def(
        "write_network",
        [](const py::object& network) {
            const std::vector<std::byte> bytes = mtcnn::write_network(to_network(network));
            return py::bytes(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        },
        py::arg("network"), "The bytes of a .dat file for a network, with all numbers as float32.");
}

}  // namespace bindings
