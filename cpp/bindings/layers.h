// Conversion of networks between Python's dataclasses (reference/model.py) and the core, and single layers on arrays.
#pragma once

#include "array_view.h"

#include "mtcnn/kernels/kernels.h"
#include "mtcnn/model.h"

namespace bindings {

mtcnn::Network to_network(const py::object& network);
py::object from_network(const mtcnn::Network& network);

// Runs a layer on maps (C, H, W) or a vector (C,), with lanes over pixels (PNet) or channels (RNet, ONet).
py::array_t<float> run_layer(const mtcnn::Layer& layer, const py::array& maps, const mtcnn::Kernels& kernels,
                             bool over_pixels);

}  // namespace bindings
