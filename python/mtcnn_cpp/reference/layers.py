"""The five layers on maps (C, H, W) or vectors (C,), float32; a leading axis N runs a batch of them."""

from __future__ import annotations

import math

import numpy as np

from .exp import exp_opencv
from .fma import fma
from .plan import pooled_size
from .types import DoubleArray, FloatArray

TILE = 1 << 14  # values in flight: what a tile needs stays in the cache


def conv2d(maps: FloatArray, kernel: FloatArray, bias: FloatArray) -> FloatArray:
    """Valid convolution, stride 1: maps ([N,] in, H, W), kernel (out, in, kernel_y, kernel_x) -> ([N,] out,
    h, w).

    One accumulator per output, from 0, one fused multiply-add a step: input maps outside, then kernel x,
    then kernel y. The bias is added last. ValueError where the kernel does not fit the maps.
    """
    maps_out, maps_in, kernel_y, kernel_x = kernel.shape
    *leading, channels, height, width = maps.shape
    h, w = height - kernel_y + 1, width - kernel_x + 1
    if channels != maps_in or h < 1 or w < 1:
        expected = f"maps ({maps_in}, {kernel_y} or more, {kernel_x} or more)"
        raise ValueError(f"conv2d: expected {expected}, found ({channels}, {height}, {width})")
    count = math.prod(leading)

    # starts: where each output pixel's window begins in the flat input; steps: how far from there.
    n, y, x = np.ix_(np.arange(count), np.arange(h), np.arange(w))
    starts = (n * (maps_in * height * width) + y * width + x).ravel()
    c, kx, ky = np.ix_(np.arange(maps_in), np.arange(kernel_x), np.arange(kernel_y))
    steps = ((c * height + ky) * width + kx).ravel()
    weights = kernel.transpose(1, 3, 2, 0).reshape(steps.size, maps_out, 1).astype(np.float64)
    values = maps.ravel().astype(np.float64)

    sums = np.empty((maps_out, starts.size), np.float32)
    tile = max(1, TILE // maps_out)
    for begin in range(0, starts.size, tile):
        pixels = starts[begin : begin + tile]
        acc = np.zeros((maps_out, pixels.size), np.float32)
        for step, weight in zip(steps, weights, strict=True):
            acc = fma(weight, values[pixels + step], acc)
        sums[:, begin : begin + tile] = add(acc, bias[:, None])
    result = sums.reshape(maps_out, count, h, w).swapaxes(0, 1)
    return np.ascontiguousarray(result).reshape(*leading, maps_out, h, w)


def prelu(maps: FloatArray, slopes: FloatArray) -> FloatArray:
    """`v >= 0 ? v : v * slope` of each map or value."""
    slopes = slopes[:, None, None] if maps.ndim >= 3 else slopes
    with np.errstate(over="ignore", invalid="ignore"):
        return np.where(maps >= 0, maps, maps * slopes)


def max_pool(maps: FloatArray, kernel_x: int, kernel_y: int, stride_x: int, stride_y: int) -> FloatArray:
    """Maximum over windows, ([N,] C, H, W) -> ([N,] C, h, w), sizes as `pooled_size`; windows end at the
    border.

    A window is walked row by row; a value replaces the best only where it is greater.
    """
    height, width = maps.shape[-2:]
    h, w = pooled_size(height, kernel_y, stride_y), pooled_size(width, kernel_x, stride_x)
    if h < 1 or w < 1:
        found = f"{kernel_y} x {kernel_x}"
        raise ValueError(f"max_pool: expected a kernel that fits {height} x {width} maps, found {found}")
    best = maps[..., ::stride_y, ::stride_x][..., :h, :w].copy()
    for y in range(min(kernel_y, height)):
        for x in range(min(kernel_x, width)):
            values = maps[..., y::stride_y, x::stride_x][..., :h, :w]
            within = best[..., : values.shape[-2], : values.shape[-1]]
            np.copyto(within, values, where=values > within)
    return best


def fully_connected(maps: FloatArray, weights: FloatArray, bias: FloatArray) -> FloatArray:
    """Dense layer, weights (in, out): ([N,] C, H, W) -> ([N,] out, H, W) where C == in, else all values ->
    ([N,] out).

    Products and sums in double, inputs in order; all values means channel, then x, then y. On maps the sum
    is rounded to float and the bias added to that; otherwise the bias is added in double and the result
    rounded once.
    """
    inputs, outputs = weights.shape
    if maps.ndim >= 3 and maps.shape[-3] == inputs:
        *leading, _, height, width = maps.shape
        columns = np.moveaxis(maps, -3, 0).reshape(inputs, -1)
        sums = add(to_float(weighted_sums(columns, weights)), bias[:, None])
        return np.ascontiguousarray(np.moveaxis(sums.reshape(outputs, *leading, height, width), 0, -3))
    item = maps.shape[-3:] if maps.ndim >= 3 else maps.shape[-1:]
    leading = list(maps.shape[: -len(item)])
    if math.prod(item) != inputs:
        raise ValueError(f"fully_connected: expected {inputs} values, found {' x '.join(map(str, item))}")
    if len(item) == 3:
        maps = maps.swapaxes(-1, -2)
    columns = maps.reshape(math.prod(leading), inputs).T
    sums = to_float(weighted_sums(columns, weights) + bias[:, None])
    return np.ascontiguousarray(sums.T).reshape(*leading, outputs)


def weighted_sums(columns: FloatArray, weights: FloatArray) -> DoubleArray:
    """(in, N) and (in, out) -> (out, N) float64, summed in order of in. Each product is exact."""
    acc = np.zeros((weights.shape[1], columns.shape[1]))
    with np.errstate(invalid="ignore"):
        for values, row in zip(
            columns.astype(np.float64), weights.astype(np.float64)[:, :, None], strict=True
        ):
            acc += row * values
    return acc


def sigmoid(maps: FloatArray) -> FloatArray:
    """`1 / (1 + exp_opencv(-v))`, each step rounded to float."""
    return np.float32(1) / (np.float32(1) + exp_opencv(-maps))


def add(a: FloatArray, b: FloatArray) -> FloatArray:
    with np.errstate(over="ignore", invalid="ignore"):
        return a + b


def to_float(values: DoubleArray) -> FloatArray:
    with np.errstate(over="ignore"):
        return values.astype(np.float32)
