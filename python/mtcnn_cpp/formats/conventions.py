"""Conventions that differ between ports of the detector: flattening order, heads, pooling windows."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..reference.model import MaxPool
from ..reference.plan import Size, pooled_size
from .errors import PortError
from .found import FoundConv, FoundFullyConnected, FoundPool, count_outputs

# The order in which maps are flattened before a fully connected layer. The three letters are the axes, and
# the first letter is the axis that changes slowest. ONNX and PyTorch have NCHW maps, TensorFlow has NHWC
# maps. The `mtcnn` package and facenet use FACENET_ORDER.
OPENFACE_ORDER, NCHW_ORDER, NHWC_ORDER, FACENET_ORDER = "cxy", "cyx", "yxc", "xyc"
FLATTENING_ORDERS = tuple("".join(letters) for letters in itertools.permutations("cyx"))

# The columns of each head in the last layer. Only ONet has landmarks.
HEADS = {"class": range(2), "box": range(2, 6), "landmarks": range(6, 16)}
HEAD_SIZES = {len(columns) for columns in HEADS.values()}

# If a network has no fixed input size, its pooling is compared with OpenFace's for all sizes below this
# limit.
SIZE_LIMIT = 96


def weights_to_kernel(weights: npt.NDArray[Any], maps: tuple[int, ...], order: str) -> npt.NDArray[Any]:
    """Convert fully connected weights (in, out) to the equivalent kernel (out, channels, height, width).

    `maps` is the shape (channels, height, width) of the maps that are flattened. `order` is their flattening
    order.
    """
    sizes = dict(zip("cyx", maps, strict=True))
    unflattened = weights.reshape(*[sizes[letter] for letter in order], -1)
    return unflattened.transpose(3, *[order.index(letter) for letter in "cyx"])


def kernel_to_weights(kernel: npt.NDArray[Any], order: str) -> npt.NDArray[Any]:
    """Convert a kernel (out, channels, height, width) to weights (in, out).

    `order` is the flattening order of the inputs of the weights.
    """
    axes = [1 + "cyx".index(letter) for letter in order]
    return np.ascontiguousarray(kernel.transpose(*axes, 0).reshape(-1, kernel.shape[0]))


def reorder_inputs(
    weights: npt.NDArray[Any], maps: tuple[int, ...], order: str, new_order: str
) -> npt.NDArray[Any]:
    """Convert fully connected weights (in, out) from the flattening order `order` to `new_order`."""
    return kernel_to_weights(weights_to_kernel(weights, maps, order), new_order)


def join_heads(layers: Sequence[FoundConv | FoundFullyConnected]) -> list[FoundConv | FoundFullyConnected]:
    """Join the separate heads at the end into one layer, in the order class, box, landmarks.

    The heads have 2, 4 and 10 outputs. If the heads are already one layer, the layers do not change.
    """
    count = 0
    while count < len(layers) and count < len(HEADS) and count_outputs(layers[-1 - count]) in HEAD_SIZES:
        count += 1
    if count < 2:
        return list(layers)
    joined, *others = sorted(layers[-count:], key=count_outputs)
    for head in others:
        joined = join_layers(joined, head)
    return [*layers[:-count], joined]


def join_layers(
    first: FoundConv | FoundFullyConnected, second: FoundConv | FoundFullyConnected
) -> FoundConv | FoundFullyConnected:
    """Join two layers with the same input into one layer.

    The joined layer has the outputs of the first layer, followed by the outputs of the second layer.

    Raises PortError if one layer is a convolution and the other layer is fully connected.
    """
    biases = [
        np.zeros(count_outputs(layer), np.float32) if layer.bias is None else layer.bias
        for layer in (first, second)
    ]
    bias = None if first.bias is None and second.bias is None else np.concatenate(biases)
    name = f"{first.name}+{second.name}"
    if isinstance(first, FoundConv) and isinstance(second, FoundConv):
        return replace(first, name=name, kernel=np.concatenate([first.kernel, second.kernel]), bias=bias)
    if isinstance(first, FoundFullyConnected) and isinstance(second, FoundFullyConnected):
        weights = np.concatenate([first.weights, second.weights], 1)
        return replace(first, name=name, weights=weights, bias=bias)
    raise PortError(
        f"{first.name}, {second.name}: expected two heads of the same kind, found a convolution and a fully "
        "connected layer"
    )


class WindowDifference(NamedTuple):
    """A difference between a pooling layer of a file and OpenFace's pooling layer.

    Both layers pool `size` values along an `axis` ("y" or "x"). The layer of the file has `begin` padding
    values before the first value, and `found` windows. OpenFace's layer has no padding, and `expected`
    windows.
    """

    axis: str
    size: int
    begin: int
    found: int
    expected: int


def find_window_differences(pool: FoundPool, size: Size | None) -> Iterator[WindowDifference]:
    """Yield, for each axis, the first difference between a pooling and OpenFace's pooling.

    OpenFace has round((size - kernel) / stride) + 1 windows, and it rounds halves away from zero
    (`pooled_size`). `size` is the (height, width) of the maps. If it is None, all sizes below SIZE_LIMIT are
    compared, from the smallest.
    """
    for axis, name in enumerate("yx"):
        kernel, stride = pool.kernel[axis], pool.strides[axis]
        for n in range(kernel, SIZE_LIMIT) if size is None else [size[axis]]:
            begin, found = pool.windows(n, axis)
            expected = pooled_size(n, kernel, stride)
            if (begin, found) != (0, expected):
                yield WindowDifference(name, n, begin, found, expected)
                break


def to_found_pool(name: str, layer: MaxPool) -> FoundPool:
    """Convert a pooling layer to a `FoundPool`.

    The mode of the result is "unknown", which selects OpenFace's rule for the number of windows.
    """
    kernel, strides = (layer.kernel_y, layer.kernel_x), (layer.stride_y, layer.stride_x)
    return FoundPool(name, kernel, strides, mode="unknown")


def pooling_end_padding(layer: MaxPool) -> tuple[int, int]:
    """Return the padding after the last row and column that gives OpenFace's number of windows.

    This padding is for a pooling layer that rounds the number of windows down.
    """
    return min(layer.stride_y // 2, layer.kernel_y - 1), min(layer.stride_x // 2, layer.kernel_x - 1)
