"""Max pooling here and elsewhere: runtimes count the windows along an axis in different ways.

Here they are round((size - kernel) / stride) + 1, half away from zero (`reference.plan.pooled_size`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..reference.model import MaxPool
from ..reference.plan import Size, pooled_size
from .found import FoundPool

ANY_SIZE = 96  # a pooling of a network for any size is compared with ours on sizes below this


class Windows(NamedTuple):
    """What a pooling of theirs does to `size` values along an `axis` ("y" or "x"): it puts padding of
    `begin` before them and makes `found` windows; ours makes `expected`, without padding."""

    axis: str
    size: int
    begin: int
    found: int
    expected: int


def other_windows(pool: FoundPool, size: Size | None) -> Iterator[Windows]:
    """For each axis the first size at which it differs from ours: of maps of `size`, or of any (None)."""
    for axis, name in enumerate("yx"):
        kernel, stride = pool.kernel[axis], pool.strides[axis]
        for n in range(kernel, ANY_SIZE) if size is None else [size[axis]]:
            begin, found = pool.windows(n, axis)
            expected = pooled_size(n, kernel, stride)
            if (begin, found) != (0, expected):
                yield Windows(name, n, begin, found, expected)
                break


def found_pool(name: str, layer: MaxPool) -> FoundPool:
    """One of our poolings as if it had been found in a file that does not say how windows are counted."""
    kernel, strides = (layer.kernel_y, layer.kernel_x), (layer.stride_y, layer.stride_x)
    return FoundPool(name, kernel, strides, mode="unknown")


def end_padding(layer: MaxPool) -> tuple[int, int]:
    """Rows and columns to put after the maps, so that a pooling that rounds down makes as many windows as
    ours."""
    return min(layer.stride_y // 2, layer.kernel_y - 1), min(layer.stride_x // 2, layer.kernel_x - 1)
