"""Compute the outputs of a found network in double precision, and compare them with a graph's outputs.

The values are added in another order than in OpenFace. `mtcnn_cpp.reference` has OpenFace's order.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from . import conventions
from .conventions import HEADS
from .found import FoundActivation, FoundConv, FoundFullyConnected, FoundNetwork, FoundPool

DoubleArray = npt.NDArray[np.float64]
# Accepted difference, relative to the greatest magnitude of a layer. A different order of additions causes
# smaller differences.
LAYER_TOLERANCE = 2e-5
BLOCK = 1 << 17  # maximum number of values that a convolution copies at a time, if a kernel has fewer


def compute_layers(
    network: FoundNetwork, images: npt.NDArray[np.generic]
) -> Iterator[tuple[str, DoubleArray]]:
    """Yield the name and the output of each layer for input images (N, 3, H, W).

    Raises ValueError if the shapes of two layers do not match.
    """
    maps = images.astype(np.float64)
    if network.scale is not None and network.shift is not None:
        maps = maps * network.scale[:, None, None] + network.shift[:, None, None]
    for layer in network.layers:
        if isinstance(layer, FoundConv):
            maps = apply_conv(layer, maps)
        elif isinstance(layer, FoundFullyConnected):
            maps = apply_fully_connected(layer, maps)
        elif isinstance(layer, FoundPool):
            maps = apply_pool(layer, maps)
        else:
            maps = apply_activation(layer, maps)
        yield layer.name, maps


def estimate_memory(network: FoundNetwork, shape: tuple[int, int, int]) -> int:
    """Estimate the peak memory in bytes that this module and a runtime need for input images.

    `shape` is the number, the height and the width of the images.
    """
    count, height, width = shape
    maps, peak, kept = 3 * height * width, 0, 0
    channels, size = 3, (height, width)
    for layer in network.layers:
        if isinstance(layer, FoundConv):
            pads, (channels, _, *kernel) = layer.pads, layer.kernel.shape
            padded = size[0] + pads[0] + pads[2], size[1] + pads[1] + pads[3]
            maps = max(maps, maps // max(size[0] * size[1], 1) * padded[0] * padded[1])
            height, width = (
                max((padded[axis] - kernel[axis]) // layer.strides[axis] + 1, 0) for axis in (0, 1)
            )
            size = height, width
        elif isinstance(layer, FoundPool):
            size = max(layer.windows(size[0], 0)[1], 0), max(layer.windows(size[1], 1)[1], 0)
        elif isinstance(layer, FoundFullyConnected):
            channels = layer.weights.shape[1]
            size = size if len(layer.weights) == maps // max(size[0] * size[1], 1) else (1, 1)
        outputs = channels * size[0] * size[1]
        peak, kept, maps = max(peak, 2 * maps + 3 * outputs), kept + outputs, outputs
    return count * (8 * peak + 4 * kept)


class LastLayer(NamedTuple):
    """The output of the last layer: `values` is (N, C) or (N, C, h, w).

    Each value is a sum of terms. `sums` contains, for each value, the sum of the magnitudes of these terms.
    The rounding error of a value is small relative to this sum, even if the value is near 0.
    """

    values: DoubleArray
    sums: DoubleArray


def compute_last_layer(network: FoundNetwork, images: npt.NDArray[np.generic]) -> LastLayer:
    """Compute the output of the last layer.

    Raises ValueError if the shapes of two layers do not match, or if the last layer has no weights.
    """
    (_, before), (_, values) = deque(compute_layers(network, images), 2)
    layer = network.layers[-1]
    bias = None if isinstance(layer, (FoundPool, FoundActivation)) or layer.bias is None else abs(layer.bias)
    if isinstance(layer, FoundConv):
        return LastLayer(values, apply_conv(replace(layer, kernel=abs(layer.kernel), bias=bias), abs(before)))
    if isinstance(layer, FoundFullyConnected):
        return LastLayer(
            values, apply_fully_connected(replace(layer, weights=abs(layer.weights), bias=bias), abs(before))
        )
    raise ValueError(f"expected a last layer with weights, found {layer.name} without weights")


def apply_conv(layer: FoundConv, maps: DoubleArray) -> DoubleArray:
    top, left, bottom, right = layer.pads
    around = ((0, 0), (0, 0), (top, bottom), (left, right))
    padded = np.pad(maps, around) if any(layer.pads) else maps
    kernel, strides = layer.kernel.astype(np.float64), layer.strides
    counts = [
        (size - own) // stride + 1
        for size, own, stride in zip(padded.shape[2:], kernel.shape[2:], strides, strict=True)
    ]
    if min(counts) < 1:
        raise ValueError(f"{layer.name}: expected maps at least as large as the kernel, found smaller maps")
    if kernel.shape[1] != maps.shape[1]:
        raise ValueError(f"{layer.name}: expected {kernel.shape[1]} maps, found {maps.shape[1]}")
    (height, width), channels = counts, len(kernel)
    result = np.empty((len(maps), channels, height, width))
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[2:], (2, 3))
    windows = windows[:, :, :: strides[0], :: strides[1]].transpose(0, 1, 4, 5, 2, 3)
    matrix = kernel.reshape(channels, -1)
    terms = max(matrix.shape[1], 1)
    # One product computes a block of positions: several rows, or a part of a row.
    columns = min(max(BLOCK // terms, 1), width)
    rows = max(BLOCK // (terms * columns), 1)
    blocks = itertools.product(range(len(maps)), range(0, height, rows), range(0, width, columns))
    for image, y, x in blocks:
        window = windows[image, ..., y : y + rows, x : x + columns]
        sums = (matrix @ window.reshape(matrix.shape[1], -1)).reshape(channels, *window.shape[3:])
        result[image, :, y : y + rows, x : x + columns] = sums
    if layer.bias is not None:
        result += layer.bias[:, None, None]
    return result


def apply_fully_connected(layer: FoundFullyConnected, maps: DoubleArray) -> DoubleArray:
    """Apply a fully connected layer to a vector or to maps.

    If the layer has as many inputs as there are maps, it is applied to each pixel. Otherwise the maps are
    flattened first.
    """
    weights = layer.weights.astype(np.float64)
    if maps.ndim == 4 and maps.shape[1] == len(weights):
        return add_bias(maps.transpose(0, 2, 3, 1) @ weights, layer.bias).transpose(0, 3, 1, 2)
    if maps.ndim == 4:
        axes = ["cyx".index(letter) + 1 for letter in layer.order or conventions.OPENFACE_ORDER]
        maps = maps.transpose(0, *axes).reshape(len(maps), -1)
    return add_bias(maps @ weights, layer.bias)


def add_bias(sums: DoubleArray, bias: npt.NDArray[np.float32] | None) -> DoubleArray:
    """Add the bias along the last axis."""
    return sums if bias is None else sums + bias


def apply_pool(layer: FoundPool, maps: DoubleArray) -> DoubleArray:
    """Apply max pooling. Padding, and positions after the end of the maps, have the value -infinity."""
    for axis in (0, 1):
        kernel, stride, size = layer.kernel[axis], layer.strides[axis], maps.shape[2 + axis]
        begin, count = layer.windows(size, axis)
        reach = (count - 1) * stride + kernel
        around = [(0, 0)] * 4
        around[2 + axis] = begin, max(reach - begin - size, 0)
        padded = np.pad(maps, around, constant_values=-np.inf) if any(around[2 + axis]) else maps
        if padded.shape[2 + axis] < kernel:
            raise ValueError(
                f"{layer.name}: expected maps at least as large as the kernel, found smaller maps"
            )
        along = np.moveaxis(padded, 2 + axis, 0)
        length = max((count - 1) * stride + 1, 0)
        values = (along[start : start + length : stride] for start in range(kernel))
        maps = np.moveaxis(functools.reduce(np.maximum, values), 0, 2 + axis)
    return maps


def apply_activation(layer: FoundActivation, maps: DoubleArray) -> DoubleArray:
    if layer.kind == "Sigmoid":
        with np.errstate(over="ignore"):  # 1 / infinity is 0
            return 1 / (1 + np.exp(-maps))
    slopes = layer.slopes.astype(np.float64)
    slopes = slopes[:, None, None] if maps.ndim == 4 else slopes
    result = maps * slopes
    np.copyto(result, maps, where=maps >= 0)
    return result


Order: TypeAlias = tuple[int, ...]
# Largest accepted difference between an output of a graph and the output of OpenFace, relative to the
# greatest sum of the magnitudes of the terms. A runtime can add the float32 terms in a different order. In
# 3,000 runs of OpenFace's graphs, this caused differences of at most 1e-6. Among the operators that change
# numbers, rounding to half precision makes the smallest change. It changes a number by up to 5e-4 of the
# number.
OUTPUT_TOLERANCE = 5e-6


@dataclass(frozen=True)
class OutputMatch:
    """Describes which values of the network one graph output contains.

    Attributes:
        heads: The heads whose values the output contains.
        difference: Largest difference between the output and these values, relative to the greatest sum of
            magnitudes (see `LastLayer`).
        axes: The order of the output's axes, or empty if the order is (c, y, x).
        softmax: "Softmax" or "LogSoftmax" if this function was applied to the class values, otherwise empty.
    """

    heads: frozenset[str]
    difference: float
    axes: str = ""
    softmax: str = ""


def match_output(found: npt.NDArray[Any], last: LastLayer, order: Order) -> OutputMatch | None:
    """Compare a graph output with all possible contents, and return the match with the smallest difference.

    Return None if the shape of the output fits neither the last layer nor any head.

    `order` contains, for each value of the last layer, the index of this value in OpenFace's last layer.
    """
    matches = [
        OutputMatch(heads, relative_difference(found, arranged, greatest), axes, softmax)
        for heads, values, greatest, softmax in possible_contents(last, order)
        for axes, arranged in possible_layouts(values, found.shape)
    ]
    return min(matches, key=lambda match: (match.difference, -len(match.heads)), default=None)


def possible_contents(
    last: LastLayer, order: Order
) -> Iterator[tuple[frozenset[str], DoubleArray, float, str]]:
    """Yield all possible contents of a graph output.

    Each item is a tuple: the heads, the values, the magnitude by which differences are divided, and the name
    of the Softmax that was applied to the values, or "".
    """
    columns = {name: [i for i, index in enumerate(order) if index in HEADS[name]] for name in HEADS}
    columns = {name: members for name, members in columns.items() if members}
    present, classes = frozenset(columns), columns["class"]
    greatest = max_magnitude(last.sums)
    yield present, last.values, greatest, ""
    for name, members in columns.items():
        yield frozenset({name}), last.values[:, members], max_magnitude(last.sums[:, members]), ""
    for logarithm, name in ((False, "Softmax"), (True, "LogSoftmax")):
        # A Softmax over all values of the layer is also recognised. It destroys the box values. Therefore
        # such an output contains no head.
        yield frozenset(), apply_softmax(last.values, logarithm), max(1.0, greatest), name
        probabilities = apply_softmax(last.values[:, classes], logarithm)
        yield frozenset({"class"}), probabilities, max(1.0, max_magnitude(last.sums[:, classes])), name
        values = last.values.copy()
        values[:, classes] = probabilities
        yield present, values, greatest, name


def apply_softmax(values: DoubleArray, logarithm: bool) -> DoubleArray:
    """Apply a Softmax, or its logarithm, along the channels."""
    lower = values - values.max(axis=1, keepdims=True)
    sums = np.exp(lower).sum(axis=1, keepdims=True)
    result: DoubleArray = lower - np.log(sums) if logarithm else np.exp(lower) / sums
    return result


def max_magnitude(values: DoubleArray) -> float:
    return float(np.abs(values).max())


def possible_layouts(values: DoubleArray, shape: tuple[int, ...]) -> Iterator[tuple[str, DoubleArray]]:
    """Yield each axis order of `values` that fits the given shape, and the values in this order and shape.

    `values` is (N, C) or (N, C, h, w). The axis order is "" if it is the original order.
    """
    if math.prod(shape) != values.size:
        return
    letters = "cyx"[: values.ndim - 1]
    for axes in itertools.permutations(range(1, values.ndim)):
        transposed = values.transpose(0, *axes)
        same_sizes = [size for size in transposed.shape if size > 1] == [size for size in shape if size > 1]
        if same_sizes or (len(shape) < values.ndim and shape[-1] in (values.shape[1], values[0].size)):
            name = "".join(letters[axis - 1] for axis in axes)
            plain = transposed.shape == shape and name == letters
            yield "" if plain or values[0, 0].size == 1 else name, transposed.reshape(shape)


def relative_difference(found: npt.NDArray[Any], expected: DoubleArray, greatest: float) -> float:
    """Return the largest difference relative to `greatest`, or infinity if a value is not finite."""
    wide = found.astype(np.float64)
    if not np.isfinite(wide).all():
        return math.inf
    difference = float(np.abs(wide - expected).max())
    return difference / greatest if greatest else math.inf if difference else 0.0
