"""The layers of the networks, as they are and with what ports do to them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from ...backends import make_backend
from ...backends.protocol import Backend
from ...formats import flat
from ...model import Model
from ...reference.layers import max_pool
from ...reference.model import Conv2d, FullyConnected, Layer, MaxPool, Network, PReLU
from ...reference.plan import STAGES, Step, walk
from ...types import FloatArray, StageName
from .fault import RIGHT, Array, Fault, Knobs, table

KEPT = 8  # networks that are kept ready: with the last faults that were asked for

TURNS: dict[str, Callable[[Array], Array]] = {  # of a kernel (out, in, y, x): what the port did
    "exchanged": lambda k: k.swapaxes(2, 3),
    "flipped x": lambda k: k[..., ::-1],
    "flipped y": lambda k: k[..., ::-1, :],
    "flipped": lambda k: k[..., ::-1, ::-1],
    "left": lambda k: np.rot90(k, 1, (2, 3)),
    "right": lambda k: np.rot90(k, -1, (2, 3)),
    "diagonal": lambda k: k.swapaxes(2, 3)[..., ::-1, ::-1],
}
TURNED = table(
    "turn",
    "store kernels as (out, in, y, x), rows y, and slide them without flipping",
    {
        "exchanged": "the kernel's x and y exchanged",
        "flipped x": "the kernel flipped along x",
        "flipped y": "the kernel flipped along y",
        "flipped": "the kernel flipped along x and y (a true convolution)",
        "left": "the kernel rotated by 90° to the left",
        "right": "the kernel rotated by 90° to the right",
        "diagonal": "the kernel transposed along the other diagonal",
    },
)
REVERSED = table(
    "inputs", "feed the maps in OpenFace's order", {"reversed": "the input maps in reversed order"}
)
BGR = table(
    "inputs", "feed the picture as R, G, B", {"reversed": "the weights for B, G, R instead of R, G, B"}
)
PADDED = table("padding", "use no padding", {"same": "the input padded with zeros"})
PRECISION = table(
    "precision",
    "keep the weights in float32",
    {"half": "the weights rounded to half precision", "int8": "the weights quantised to 8 bits"},
)
BIAS = table("bias", "add the bias", {"dropped": "the bias dropped"})
SLOPES = table(
    "slopes",
    "use v >= 0 ? v : v * slope, with one slope a channel",
    {
        "relu": "ReLU in place of PReLU",
        "leaky": "LeakyReLU (0.01) in place of PReLU",
        "quarter": "one slope of 0.25 for all channels",
        "missing": "the activation left out",
        "positive": "the slopes without their sign",
        "negated": "the slopes negated",
        "shared": "one slope for all channels, their mean",
    },
)
POOL = (
    *table("windows", "round the number of windows up", {"floored": "the number of windows rounded down"}),
    *table(
        "pooling",
        "take the maximum of each window",
        {"average": "the average in place of the maximum", "missing": "the pooling left out"},
    ),
)
WINDOW = table("window", "use windows of 3 x 3", {"2": "windows of 2 x 2 in place of 3 x 3"})
ORDERS = table(
    "order",
    "lay the maps flat as the weights expect: channel, then x, then y",
    {
        order: f"the input laid flat as ({', '.join(order)})"
        for order in flat.ORDERS
        if order != flat.OPENFACE
    },
)
HEADS = (
    *table(
        "heads",
        "order the outputs class, box, landmarks",
        {"box first": "the box outputs before the classes"},
    ),
    *table("classes", "put not-face first, face second", {"exchanged": "face and not-face exchanged"}),
)


def faults_of(step: Step, *, first: bool, last: bool) -> tuple[Fault, ...]:
    """The faults that a layer can have."""
    if isinstance(step.layer, Conv2d):
        return (*TURNED, *(BGR if first else REVERSED), *PADDED, *BIAS, *PRECISION)
    if isinstance(step.layer, MaxPool):
        found = (*POOL, *(WINDOW if step.layer.kernel_x == 3 else ()))
        return tuple(fault for fault in found if fault.value != "floored" or rounds(step))
    if isinstance(step.layer, FullyConnected):
        return (*(ORDERS if step.flattens else ()), *(HEADS if last else ()), *BIAS, *PRECISION)
    return SLOPES if isinstance(step.layer, PReLU) else ()


def rounds(step: Step) -> bool:
    """Whether the number of a pooling's windows is rounded, for any maps that can enter it."""
    if step.entering.size is None or not isinstance(step.layer, MaxPool):
        return True
    (height, width), layer = step.entering.size, step.layer
    return bool((height - layer.kernel_y) % layer.stride_y or (width - layer.kernel_x) % layer.stride_x)


class Layers:
    """Computes single layers, each with any of its faults, in the core where there is one."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.steps: Mapping[StageName, dict[str, Step]] = {
            name: {step.name: step for step in walk(model.networks[name], stage.size)}
            for name, stage in STAGES.items()
        }
        self._right = backend(model)
        self._backends: dict[tuple[StageName, str, tuple[tuple[str, str], ...]], Backend] = {}

    def run(self, stage: StageName, name: str, maps: FloatArray, knobs: Knobs = RIGHT) -> FloatArray:
        """The output of a layer for maps (C, h, w) or values (C,). ValueError where they do not fit it."""
        step = self.steps[stage][name]
        maps = np.ascontiguousarray(maps, np.float32)
        if isinstance(step.layer, MaxPool) and knobs:
            return pooled(step.layer, maps, knobs)
        if "padding" in knobs and isinstance(step.layer, Conv2d):
            maps = padded(maps, step.layer.kernel.shape[2:])
        if not knobs:
            return self._right.layer(stage, name, maps)
        key = (stage, name, tuple(sorted(knobs.items())))
        if key not in self._backends:
            if len(self._backends) >= KEPT:
                self._backends.pop(next(iter(self._backends)))
            self._backends[key] = backend(changed_model(self.model, stage, name, changed(step, knobs)))
        return self._backends[key].layer(stage, name, maps)


def backend(model: Model) -> Backend:
    """The core; without it the reference, which gives the same bits."""
    try:
        return make_backend("core", model)
    except ImportError:
        return make_backend("reference", model)


def changed_model(model: Model, stage: StageName, name: str, layer: Layer) -> Model:
    network = model.networks[stage]
    number = network.names.index(name)
    layers = (*network.layers[:number], layer, *network.layers[number + 1 :])
    return dataclasses.replace(model, **{stage: Network(layers)})


def changed(step: Step, knobs: Knobs) -> Layer:
    """The layer with its numbers rearranged or altered."""
    layer = step.layer
    if isinstance(layer, Conv2d):
        kernel = TURNS[knobs["turn"]](layer.kernel) if "turn" in knobs else layer.kernel
        kernel = kernel[:, ::-1] if "inputs" in knobs else kernel
        return Conv2d(rounded(kernel, knobs), rounded(bias(layer.bias, knobs), knobs, half_only=True))
    if isinstance(layer, FullyConnected):
        weights = layer.weights
        if "order" in knobs:  # what reaches each weight is another value of the maps
            weights = flat.reorder(weights, step.entering.shape, knobs["order"], flat.OPENFACE)
        found = heads(weights.shape[1], knobs)
        numbers = rounded(weights, knobs), rounded(bias(layer.bias, knobs), knobs, half_only=True)
        return FullyConnected(numbers[0][:, found], numbers[1][found])
    if isinstance(layer, PReLU) and "slopes" in knobs:
        return PReLU(slopes(layer.slopes, knobs["slopes"]))
    return layer


def bias(values: FloatArray, knobs: Knobs) -> FloatArray:
    return np.zeros_like(values) if "bias" in knobs else values


def rounded(values: Array, knobs: Knobs, *, half_only: bool = False) -> FloatArray:
    """To half precision, or to 255 steps of the greatest magnitude (a bias stays as it is then)."""
    precision = knobs.get("precision")
    if precision == "half":
        return values.astype(np.float16).astype(np.float32)
    if precision == "int8" and not half_only:
        step = np.float32(np.abs(values).max() / 127)
        return np.asarray(np.round(values / step) * step, np.float32)
    return np.ascontiguousarray(values, np.float32)


def heads(outputs: int, knobs: Knobs) -> list[int]:
    """Which of OpenFace's outputs stands at each place."""
    order = list(range(outputs))
    if "classes" in knobs:
        order[:2] = [1, 0]
    return order[2:6] + order[:2] + order[6:] if "heads" in knobs else order


def slopes(right: FloatArray, value: str) -> FloatArray:
    changes: dict[str, Array] = {
        "relu": np.zeros_like(right),
        "leaky": np.full_like(right, 0.01),
        "quarter": np.full_like(right, 0.25),
        "missing": np.ones_like(right),
        "positive": np.abs(right),
        "negated": -right,
        "shared": np.full_like(right, right.mean()),
    }
    return np.asarray(changes[value], np.float32)


def padded(maps: FloatArray, kernel: tuple[int, ...]) -> FloatArray:
    """So that a kernel of that size leaves the size as it is; the odd row comes at the end."""
    around = [(0, 0), *(((size - 1) // 2, size // 2) for size in kernel)]
    return np.pad(maps, around)


def pooled(layer: MaxPool, maps: FloatArray, knobs: Knobs) -> FloatArray:
    """Pooling with another number of windows, other windows, or another way to take one value of each."""
    if knobs.get("pooling") == "missing":
        return maps
    kernel = int(knobs["window"]) if "window" in knobs else layer.kernel_x
    stride, size = layer.stride_x, maps.shape[1:]
    if knobs.get("windows") == "floored":
        cut = [(side - kernel) // stride * stride + kernel for side in size]
        maps = np.ascontiguousarray(maps[:, : cut[0], : cut[1]])
    if knobs.get("pooling") == "average":
        return averaged(maps, kernel, stride)
    return max_pool(maps, kernel, kernel, stride, stride)


def averaged(maps: FloatArray, kernel: int, stride: int) -> FloatArray:
    """The mean of each window's values that lie inside."""
    like = max_pool(maps, kernel, kernel, stride, stride)
    sums, counts = np.zeros(like.shape), np.zeros(like.shape)
    for y in range(kernel):
        for x in range(kernel):
            values = maps[:, y::stride, x::stride][:, : like.shape[1], : like.shape[2]]
            within = np.s_[:, : values.shape[1], : values.shape[2]]
            sums[within] += values
            counts[within] += 1
    return (sums / counts).astype(np.float32)
