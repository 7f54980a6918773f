"""Layers of the networks, computed correctly or with the faults of ports."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from ....backends import make_backend
from ....backends.engine import Backend
from ....formats import conventions
from ....model import Model
from ....reference.layers import max_pool
from ....reference.model import Conv2d, FullyConnected, Layer, MaxPool, Network, PReLU
from ....reference.plan import STAGES, LayerStep, iterate_layers
from ....types import FloatArray, StageName
from ..arrangement import TRANSFORMS, order_text
from .faults import CORRECT, Array, Fault, Parameters, make_faults

MAX_BACKENDS = 8  # maximum number of faulty networks that are cached

PRECISION_FAULTS = {
    "bias": ("add the bias", {"dropped": "bias missing"}),
    "precision": (
        "keep the weights in float32",
        {"half": "weights rounded to half precision", "int8": "weights quantised to 8 bits"},
    ),
}
CONVOLUTION_FAULTS = {
    "turn": (
        "store kernels as (out, in, y, x), rows y, and slide them without flipping",
        {name: f"kernel {transform.text}" for name, transform in TRANSFORMS.items()},
    ),
    "inputs": ("use OpenFace's order of input maps", {"reversed": "input maps in reversed order"}),
    "padding": ("use no padding", {"same": "input padded with zeros"}),
    **PRECISION_FAULTS,
}
FIRST_CONVOLUTION_FAULTS = CONVOLUTION_FAULTS | {
    "inputs": ("give the image as R, G, B", {"reversed": "weights for B, G, R instead of R, G, B"})
}
SLOPE_FAULTS = {
    "slopes": (
        "use v >= 0 ? v : v * slope, with one slope per channel",
        {
            "relu": "ReLU instead of PReLU",
            "leaky": "LeakyReLU (0.01) instead of PReLU",
            "quarter": "one slope of 0.25 for all channels",
            "missing": "activation missing",
            "positive": "slopes without their sign",
            "negated": "slopes negated",
            "shared": "one slope for all channels, their mean",
        },
    )
}
POOLING_FAULTS = {
    "windows": (
        "round the number of windows up",
        {"floored": "number of pooling windows rounded down (floor)"},
    ),
    "pooling": (
        "take the maximum of each window",
        {"average": "average pooling instead of max pooling", "missing": "pooling missing"},
    ),
    "window": ("use windows of 3 x 3", {"2": "pooling windows of 2 x 2 instead of 3 x 3"}),
}
FLATTENING_FAULTS = {
    "order": (
        "flatten the maps as the weights expect: (channel, x, y)",
        {
            order: f"input flattened as {order_text(order)}"
            for order in conventions.FLATTENING_ORDERS
            if order != conventions.OPENFACE_ORDER
        },
    )
}
OUTPUT_FAULTS = {
    "heads": (
        "order the outputs class, box, landmarks",
        {"box first": "box outputs before the class outputs"},
    ),
    "classes": ("use the order not-face, face", {"exchanged": "face and not-face outputs swapped"}),
}


def layer_faults(step: LayerStep, *, first: bool, last: bool) -> tuple[Fault, ...]:
    """The possible faults of a layer. `first`, `last`: its position in the network."""
    if isinstance(step.layer, Conv2d):
        return make_faults(FIRST_CONVOLUTION_FAULTS if first else CONVOLUTION_FAULTS)
    if isinstance(step.layer, MaxPool):
        absent = set() if rounds_windows(step) else {"windows"}
        if step.layer.kernel_x != 3:
            absent.add("window")
        return tuple(fault for fault in make_faults(POOLING_FAULTS) if fault.parameter not in absent)
    if isinstance(step.layer, FullyConnected):
        flattening = FLATTENING_FAULTS if step.flattens else {}
        return make_faults(flattening | (OUTPUT_FAULTS if last else {}) | PRECISION_FAULTS)
    return make_faults(SLOPE_FAULTS) if isinstance(step.layer, PReLU) else ()


def rounds_windows(step: LayerStep) -> bool:
    """Whether the number of pooling windows may need rounding. It is True if the input size is not fixed."""
    if step.input.size is None or not isinstance(step.layer, MaxPool):
        return True
    (height, width), layer = step.input.size, step.layer
    return bool((height - layer.kernel_y) % layer.stride_y or (width - layer.kernel_x) % layer.stride_x)


class LayerRunner:
    """Computes single layers, correctly or with faults. It uses the core if the core is available."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.steps: Mapping[StageName, dict[str, LayerStep]] = {
            name: {step.name: step for step in iterate_layers(model.networks[name], stage.size)}
            for name, stage in STAGES.items()
        }
        self._correct = layer_backend(model)
        self._backends: dict[tuple[StageName, str, tuple[tuple[str, str], ...]], Backend] = {}

    def run(
        self, stage: StageName, name: str, maps: FloatArray, parameters: Parameters = CORRECT
    ) -> FloatArray:
        """Output of a layer for maps (C, h, w) or values (C,). Raises ValueError if the shape is wrong."""
        step = self.steps[stage][name]
        maps = np.ascontiguousarray(maps, np.float32)
        if isinstance(step.layer, MaxPool) and parameters:
            return pool_with_faults(step.layer, maps, parameters)
        if "padding" in parameters and isinstance(step.layer, Conv2d):
            maps = pad_same(maps, step.layer.kernel.shape[2:])
        if not parameters:
            return self._correct.layer(stage, name, maps)
        key = (stage, name, tuple(sorted(parameters.items())))
        if key not in self._backends:
            if len(self._backends) >= MAX_BACKENDS:
                self._backends.pop(next(iter(self._backends)))
            changed = replace_layer(self.model, stage, name, change_layer(step, parameters))
            self._backends[key] = layer_backend(changed)
        return self._backends[key].layer(stage, name, maps)


def layer_backend(model: Model) -> Backend:
    """The core, or the reference implementation if the core is not available. Both give the same bits."""
    try:
        return make_backend("core", model)
    except ImportError:
        return make_backend("reference", model)


def replace_layer(model: Model, stage: StageName, name: str, layer: Layer) -> Model:
    network = model.networks[stage]
    number = network.names.index(name)
    layers = (*network.layers[:number], layer, *network.layers[number + 1 :])
    return dataclasses.replace(model, **{stage: Network(layers)})


def change_layer(step: LayerStep, parameters: Parameters) -> Layer:
    """The layer with its numbers rearranged or changed."""
    layer = step.layer
    if isinstance(layer, Conv2d):
        kernel = layer.kernel
        if "turn" in parameters:
            kernel = TRANSFORMS[parameters["turn"]].apply(kernel)
        if "inputs" in parameters:
            kernel = kernel[:, ::-1]
        return Conv2d(round_weights(kernel, parameters), change_bias(layer.bias, parameters))
    if isinstance(layer, FullyConnected):
        weights = layer.weights
        if "order" in parameters:
            weights = conventions.reorder_inputs(
                weights, step.input.shape, parameters["order"], conventions.OPENFACE_ORDER
            )
        order = output_order(weights.shape[1], parameters)
        weights = round_weights(weights, parameters)
        return FullyConnected(weights[:, order], change_bias(layer.bias, parameters)[order])
    if isinstance(layer, PReLU) and "slopes" in parameters:
        return PReLU(change_slopes(layer.slopes, parameters["slopes"]))
    return layer


def change_bias(values: FloatArray, parameters: Parameters) -> FloatArray:
    """Return the bias as the faults change it: zeros if the port leaves out the bias.

    If the weights are rounded to half precision, the bias is rounded too. The bias is never quantised.
    """
    values = np.zeros_like(values) if "bias" in parameters else values
    half = parameters.get("precision") == "half"
    return round_weights(values, parameters if half else CORRECT)


def round_weights(values: Array, parameters: Parameters) -> FloatArray:
    """Return float32 weights that are unchanged, rounded to half precision, or quantised to 8 bits.

    With 8 bits, the greatest magnitude is 127 quantisation steps.
    """
    precision = parameters.get("precision")
    if precision == "half":
        return values.astype(np.float16).astype(np.float32)
    if precision == "int8":
        step = np.float32(np.abs(values).max() / 127)
        return np.asarray(np.round(values / step) * step, np.float32)
    return np.ascontiguousarray(values, np.float32)


def output_order(outputs: int, parameters: Parameters) -> list[int]:
    """For each output of the faulty layer, OpenFace's index of this output."""
    order = list(range(outputs))
    if "classes" in parameters:
        order[:2] = [1, 0]
    return order[2:6] + order[:2] + order[6:] if "heads" in parameters else order


def change_slopes(slopes: FloatArray, value: str) -> FloatArray:
    changes: dict[str, Array] = {
        "relu": np.zeros_like(slopes),
        "leaky": np.full_like(slopes, 0.01),
        "quarter": np.full_like(slopes, 0.25),
        "missing": np.ones_like(slopes),
        "positive": np.abs(slopes),
        "negated": -slopes,
        "shared": np.full_like(slopes, slopes.mean()),
    }
    return np.asarray(changes[value], np.float32)


def pad_same(maps: FloatArray, kernel: tuple[int, ...]) -> FloatArray:
    """Pad maps with zeros so that a convolution keeps their size.

    If the number of rows or columns to add is odd, one more is added at the end.
    """
    return np.pad(maps, [(0, 0), *(((size - 1) // 2, size // 2) for size in kernel)])


def pool_with_faults(layer: MaxPool, maps: FloatArray, parameters: Parameters) -> FloatArray:
    if parameters.get("pooling") == "missing":
        return maps
    kernel = int(parameters["window"]) if "window" in parameters else layer.kernel_x
    stride, size = layer.stride_x, maps.shape[1:]
    if parameters.get("windows") == "floored":
        used = [(side - kernel) // stride * stride + kernel for side in size]
        maps = np.ascontiguousarray(maps[:, : used[0], : used[1]])
    if parameters.get("pooling") == "average":
        return average_pool(maps, kernel, stride)
    return max_pool(maps, kernel, kernel, stride, stride)


def average_pool(maps: FloatArray, kernel: int, stride: int) -> FloatArray:
    """Mean of each window. Only values inside the maps count."""
    like = max_pool(maps, kernel, kernel, stride, stride)
    sums, counts = np.zeros(like.shape), np.zeros(like.shape)
    for y in range(kernel):
        for x in range(kernel):
            values = maps[:, y::stride, x::stride][:, : like.shape[1], : like.shape[2]]
            within = np.s_[:, : values.shape[1], : values.shape[2]]
            sums[within] += values
            counts[within] += 1
    return (sums / counts).astype(np.float32)
