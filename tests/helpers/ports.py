"""Networks with a planted fault."""

from __future__ import annotations

import dataclasses

import numpy as np
from mtcnn_cpp import Model
from mtcnn_cpp.model import Conv2d


def transposed_model(stage: str, *places: int) -> Model:
    """OpenFace's networks with transposed kernels in these convolutions (default: all)."""
    model = Model.default()
    network = model.networks[stage]  # type: ignore[index]
    places = places or tuple(range(len(network.layers)))
    layers = tuple(
        Conv2d(np.ascontiguousarray(layer.kernel.swapaxes(2, 3)), layer.bias)
        if isinstance(layer, Conv2d) and index in places
        else layer
        for index, layer in enumerate(network.layers)
    )
    return dataclasses.replace(model, **{stage: dataclasses.replace(network, layers=layers)})
