"""Resizes, normalises and cuts images (H, W, C), uint8 or float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from .types import FloatArray, Image

Index = npt.NDArray[np.int64]
# Function that returns the pixels of the source at the given rows and columns: (rows, columns, C) float32.
Fetch = Callable[[Index, Index], FloatArray]

ZERO, ONE, QUARTER = np.float32(0), np.float32(1), np.float32(0.25)


def resize(image: Image, height: int, width: int) -> FloatArray:
    """Resize an image bilinearly.

    Args:
        image: (H, W, C) uint8 or float32.
        height: New height in pixels.
        width: New width in pixels.

    Returns:
        (height, width, C) float32.
    """

    def fetch(rows: Index, columns: Index) -> FloatArray:
        return image[rows[:, None], columns[None, :]].astype(np.float32)

    return resample(fetch, image.shape[0], image.shape[1], height, width)


def normalise(image: npt.NDArray[Any]) -> FloatArray:
    """Return (v - 127.5) * 0.0078125 for each value v. Both operations are rounded to float32."""
    return (image.astype(np.float32) - np.float32(127.5)) * np.float32(0.0078125)


def cut(image: Image, box: npt.ArrayLike) -> FloatArray:
    """Cut the patch of a box from an image.

    Args:
        image: (H, W, C) uint8 or float32.
        box: Integers `x, y, width, height`. The first pixel of the patch is (x - 1, y - 1).

    Returns:
        (height + 1, width + 1, C) float32. Pixels outside the image are zero.
    """
    return cut_resize(image, box, None)


def cut_resize(image: Image, box: npt.ArrayLike, size: int | None) -> FloatArray:
    """Return `resize(cut(image, box), size, size)` without creating the patch.

    Args:
        image: (H, W, C) uint8 or float32.
        box: Integers `x, y, width, height`.
        size: Side of the result in pixels. If None, the patch is not resized.

    Returns:
        (size, size, C) float32.
    """
    left, top, width, height = (int(value) for value in np.asarray(box))
    left, top, width, height = left - 1, top - 1, width + 1, height + 1

    def fetch(rows: Index, columns: Index) -> FloatArray:
        rows, columns = rows + top, columns + left
        inside_y = (rows >= 0) & (rows < image.shape[0])
        inside_x = (columns >= 0) & (columns < image.shape[1])
        pixels = np.zeros((rows.size, columns.size, image.shape[2]), np.float32)
        pixels[np.ix_(inside_y, inside_x)] = image[np.ix_(rows[inside_y], columns[inside_x])]
        return pixels

    return resample(fetch, height, width, size or height, size or width)


def resample(fetch: Fetch, from_height: int, from_width: int, height: int, width: int) -> FloatArray:
    """Resample an image by one of three rules.

    If the size stays the same, pixels are copied. If the size is halved, each result is the mean of 2 x 2
    pixels. Otherwise, pixels are interpolated bilinearly.
    """
    rows, columns = np.arange(height), np.arange(width)
    if (from_height, from_width) == (height, width):
        return fetch(rows, columns)
    if (from_height, from_width) == (2 * height, 2 * width):
        upper, lower = 2 * rows, 2 * rows + 1
        left, right = 2 * columns, 2 * columns + 1
        pairs = ((upper, left), (upper, right), (lower, left), (lower, right))
        a, b, c, d = (fetch(y, x) for y, x in pairs)
        return (((a + b) + c) + d) * QUARTER

    x, x_weight = positions(from_width, width)
    # Horizontally, a position beyond the first or last pixel uses only that pixel.
    beyond = (x < 0) | (x >= from_width - 1)
    x_weight = np.where(beyond, ZERO, x_weight)[None, :, None]
    x = x.clip(0, from_width - 1)
    x_next = (x + 1).clip(0, from_width - 1)

    y, y_weight = positions(from_height, height)
    # Vertically, the weights do not change at the border, but both row indices are clipped.
    y_weight = y_weight[:, None, None]
    y_next = (y + 1).clip(0, from_height - 1)
    y = y.clip(0, from_height - 1)

    # Both products and the sum are rounded. Fused multiply-add is not used here.
    upper_row = fetch(y, x) * (ONE - x_weight) + fetch(y, x_next) * x_weight
    lower_row = fetch(y_next, x) * (ONE - x_weight) + fetch(y_next, x_next) * x_weight
    result: FloatArray = upper_row * (ONE - y_weight) + lower_row * y_weight
    return result


def positions(source: int, target: int) -> tuple[Index, FloatArray]:
    """Convert each target index to a source position.

    Return the index at or before this position, and the distance from this index to the position.

    The distance is the weight of the next source index.
    """
    scale = 1.0 / (target / source)
    place: FloatArray = ((np.arange(target) + 0.5) * scale - 0.5).astype(
        np.float32
    )  # computed in double, rounded once
    before = np.floor(place)
    weight: FloatArray = place - before
    return before.astype(np.int64), weight
