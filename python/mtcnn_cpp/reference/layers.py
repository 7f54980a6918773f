"""The five kinds of layers.

Their inputs are maps (C, H, W) or vectors (C,), float32. A batch axis N may precede these axes.
"""

from __future__ import annotations

import math

import numpy as np

from .exp import exp_opencv
from .fma import fma
from .plan import pooled_size
from .types import DoubleArray, FloatArray

TILE = 1 << 14  # number of sums in a tile; the data of a tile fits into the cache


def conv2d(maps: FloatArray, kernel: FloatArray, bias: FloatArray) -> FloatArray:
    """Convolve maps with stride 1 and without padding.

    Each output value has one accumulator, which starts at 0. Each step is one fused multiply-add. The
    outermost loop runs over input maps, the middle loop over kernel x, and the innermost loop over kernel y.
    The bias is added last.

    Args:
        maps: ([N,] in, H, W) float32.
        kernel: (out, in, kernel_y, kernel_x) float32.
        bias: (out,) float32.

    Returns:
        Maps ([N,] out, H - kernel_y + 1, W - kernel_x + 1) float32.

    Raises:
        ValueError: The kernel does not fit the maps.
    """
    maps_out, maps_in, kernel_y, kernel_x = kernel.shape
    *leading, channels, height, width = maps.shape
    h, w = height - kernel_y + 1, width - kernel_x + 1
    if channels != maps_in or h < 1 or w < 1:
        expected = f"maps ({maps_in}, {kernel_y} or more, {kernel_x} or more)"
        raise ValueError(f"conv2d: expected {expected}, found ({channels}, {height}, {width})")
    count = math.prod(leading)

    # starts: for each output pixel, index of the first value of its window in the flattened input.
    # steps: for each value of a window, distance from the first value of the window.
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
    """Return `v >= 0 ? v : v * slope`. Each map, or each value of a vector, has its own slope.

    Args:
        maps: Maps ([N,] C, H, W) or vectors ([N,] C), float32.
        slopes: (C,) float32.

    Returns:
        float32 array of the same shape as `maps`.
    """
    slopes = slopes[:, None, None] if maps.ndim >= 3 else slopes
    with np.errstate(over="ignore", invalid="ignore"):
        return np.where(maps >= 0, maps, maps * slopes)


def max_pool(maps: FloatArray, kernel_x: int, kernel_y: int, stride_x: int, stride_y: int) -> FloatArray:
    """Return the maximum of each window. Windows are clipped at the border.

    Each window is processed row by row. A value replaces the current maximum only if the value is greater.

    Args:
        maps: ([N,] C, H, W) float32.
        kernel_x: Width of a window.
        kernel_y: Height of a window.
        stride_x: Horizontal distance between windows.
        stride_y: Vertical distance between windows.

    Returns:
        Maps ([N,] C, h, w) float32, where h and w come from `pooled_size`.

    Raises:
        ValueError: The kernel does not fit the maps.
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
    """Apply a fully connected layer to each pixel of maps, or to all values together.

    If the number of maps C equals the number of inputs, the layer is applied to each pixel. Otherwise, it is
    applied to all values, and maps are flattened in the order channel, x, y. Products and sums are computed
    in double, in the order of the inputs. If the layer is applied to each pixel, the sum is rounded to
    float32, and then the bias is added in float32. Otherwise, the bias is added in double, and the result is
    rounded to float32 once.

    Args:
        maps: Maps ([N,] C, H, W) or vectors ([N,] C), float32.
        weights: (in, out) float32.
        bias: (out,) float32.

    Returns:
        Maps ([N,] out, H, W) if C equals `in`, otherwise vectors ([N,] out). Both are float32.

    Raises:
        ValueError: The number of values differs from the number of inputs.
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
    """Return the sums of `columns` (in, N), weighted with `weights` (in, out), as (out, N) float64.

    The products are exact. They are added in the order of the inputs.
    """
    acc = np.zeros((weights.shape[1], columns.shape[1]))
    with np.errstate(invalid="ignore"):
        for values, row in zip(
            columns.astype(np.float64), weights.astype(np.float64)[:, :, None], strict=True
        ):
            acc += row * values
    return acc


def sigmoid(maps: FloatArray) -> FloatArray:
    """Return `1 / (1 + exp_opencv(-v))`. The result of each step is rounded to float32.

    Args:
        maps: float32 array of any shape.

    Returns:
        float32 array of the same shape.
    """
    return np.float32(1) / (np.float32(1) + exp_opencv(-maps))


def add(a: FloatArray, b: FloatArray) -> FloatArray:
    with np.errstate(over="ignore", invalid="ignore"):
        return a + b


def to_float(values: DoubleArray) -> FloatArray:
    with np.errstate(over="ignore"):
        return values.astype(np.float32)
