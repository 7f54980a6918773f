"""What a found network computes, mistakes and all, in double precision: what a graph is held against.

Speed and closeness count here, not OpenFace's order of sums: for that there is the reference.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .. import flat
from ..found import FoundActivation, FoundConv, FoundDense, FoundNetwork, FoundPool

Wide = npt.NDArray[np.float64]

PARTED = 2e-5  # of a layer's greatest magnitude: more than a runtime's own order of sums makes


def compute(network: FoundNetwork, pictures: npt.NDArray[np.generic]) -> Iterator[tuple[str, Wide]]:
    """Each layer's name and output, for pictures (N, 3, H, W) as the network takes them. ValueError where a
    layer does not fit the one before it."""
    maps = pictures.astype(np.float64)
    if network.scale is not None and network.shift is not None:
        maps = maps * network.scale[:, None, None] + network.shift[:, None, None]
    for layer in network.layers:
        if isinstance(layer, FoundConv):
            maps = conv(layer, maps)
        elif isinstance(layer, FoundDense):
            maps = dense(layer, maps)
        elif isinstance(layer, FoundPool):
            maps = pool(layer, maps)
        else:
            maps = activation(layer, maps)
        yield layer.name, maps


def memory(network: FoundNetwork, shape: tuple[int, int, int]) -> int:
    """Bytes that computing takes at most, here and in a runtime, for inputs (count, height, width)."""
    count, height, width = shape
    maps, most, kept = 3 * height * width, 0, 0
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
        elif isinstance(layer, FoundDense):
            channels = layer.weights.shape[1]
            size = size if len(layer.weights) == maps // max(size[0] * size[1], 1) else (1, 1)
        leaving = channels * size[0] * size[1]
        most, kept, maps = max(most, 2 * maps + 3 * leaving), kept + leaving, leaving
    return count * (8 * most + 4 * kept)


class Last(NamedTuple):
    """The last layer's `values` (N, C) or (N, C, h, w). `sums`: for each the sum of the magnitudes of all
    that was added up for it, which any rounding is small beside, however near to 0 the value came out."""

    values: Wide
    sums: Wide


def compute_last(network: FoundNetwork, pictures: npt.NDArray[np.generic]) -> Last:
    """Raises as `compute`; ValueError too where the last layer is none with weights."""
    (_, before), (_, values) = deque(compute(network, pictures), 2)
    layer = network.layers[-1]
    bias = None if isinstance(layer, (FoundPool, FoundActivation)) or layer.bias is None else abs(layer.bias)
    if isinstance(layer, FoundConv):
        return Last(values, conv(replace(layer, kernel=abs(layer.kernel), bias=bias), abs(before)))
    if isinstance(layer, FoundDense):
        return Last(values, dense(replace(layer, weights=abs(layer.weights), bias=bias), abs(before)))
    raise ValueError(f"{layer.name} is the last layer")


def conv(layer: FoundConv, maps: Wide) -> Wide:
    top, left, bottom, right = layer.pads
    padded = np.pad(maps, ((0, 0), (0, 0), (top, bottom), (left, right)))
    kernel, strides = layer.kernel.astype(np.float64), layer.strides
    counts = [
        (size - own) // stride + 1
        for size, own, stride in zip(padded.shape[2:], kernel.shape[2:], strides, strict=True)
    ]
    if min(counts) < 1:
        raise ValueError(f"{layer.name}: its kernel is larger than the maps")
    sums: Wide = np.zeros(())
    for y, x in np.ndindex(*kernel.shape[2:]):  # a place of the kernel at a time: memory for one copy
        rows, columns = (
            slice(begin, begin + (count - 1) * stride + 1, stride)
            for begin, count, stride in zip((y, x), counts, strides, strict=True)
        )
        sums = sums + np.tensordot(padded[:, :, rows, columns], kernel[:, :, y, x], (1, 1))
    return add_bias(sums, layer.bias).transpose(0, 3, 1, 2)


def dense(layer: FoundDense, maps: Wide) -> Wide:
    """On a vector; on maps laid flat; or on each pixel, where it has as many inputs as there are maps."""
    weights = layer.weights.astype(np.float64)
    if maps.ndim == 4 and maps.shape[1] == len(weights):
        return add_bias(maps.transpose(0, 2, 3, 1) @ weights, layer.bias).transpose(0, 3, 1, 2)
    if maps.ndim == 4:
        axes = ["cyx".index(letter) + 1 for letter in layer.order or flat.OPENFACE]
        maps = maps.transpose(0, *axes).reshape(len(maps), -1)
    return add_bias(maps @ weights, layer.bias)


def add_bias(sums: Wide, bias: npt.NDArray[np.float32] | None) -> Wide:
    """Channels last."""
    return sums if bias is None else sums + bias


def pool(layer: FoundPool, maps: Wide) -> Wide:
    """Padding and what lies beyond the end never win."""
    for axis in (0, 1):
        kernel, stride, size = layer.kernel[axis], layer.strides[axis], maps.shape[2 + axis]
        begin, count = layer.windows(size, axis)
        reach = (count - 1) * stride + kernel
        around = [(0, 0)] * 4
        around[2 + axis] = begin, max(reach - begin - size, 0)
        padded = np.pad(maps, around, constant_values=-np.inf)
        windows = np.lib.stride_tricks.sliding_window_view(padded, kernel, 2 + axis).max(axis=-1)
        maps = windows.take(np.arange(count) * stride, axis=2 + axis)
    return maps


def activation(layer: FoundActivation, maps: Wide) -> Wide:
    if layer.kind == "Sigmoid":
        with np.errstate(over="ignore"):  # 1 / infinity is 0, as it should be
            return 1 / (1 + np.exp(-maps))
    slopes = layer.slopes.astype(np.float64)
    slopes = slopes[:, None, None] if maps.ndim == 4 else slopes
    result = maps * slopes
    np.copyto(result, maps, where=maps >= 0)
    return result
