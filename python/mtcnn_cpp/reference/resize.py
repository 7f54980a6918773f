"""Bilinear resize, normalisation, and the two joined to a cut. Images (H, W, C), uint8 or float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from .types import FloatArray, Image

Index = npt.NDArray[np.int64]
# Pixels at rows x columns of the source, (rows, columns, C) float32.
Fetch = Callable[[Index, Index], FloatArray]

ZERO, ONE, QUARTER = np.float32(0), np.float32(1), np.float32(0.25)


def resize(image: Image, height: int, width: int) -> FloatArray:
    """The image (H, W, C) at another size, (height, width, C) float32."""

    def fetch(rows: Index, columns: Index) -> FloatArray:
        return image[rows[:, None], columns[None, :]].astype(np.float32)

    return resample(fetch, image.shape[0], image.shape[1], height, width)


def normalise(image: npt.NDArray[Any]) -> FloatArray:
    """(v - 127.5) * 0.0078125, two roundings, float32."""
    return (image.astype(np.float32) - np.float32(127.5)) * np.float32(0.0078125)


def cut(image: Image, box: npt.ArrayLike) -> FloatArray:
    """The patch (h + 1, w + 1, C) float32 of a box of whole numbers.

    Its first pixel is (x - 1, y - 1) of the image; outside the image it is 0.
    """
    return cut_resize(image, box, None)


def cut_resize(image: Image, box: npt.ArrayLike, size: int | None) -> FloatArray:
    """`resize(cut(image, box), size, size)`, without making the patch. size None: as the patch is."""
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
    """The three cases of the spec: same size, exactly half, and bilinear, first across, then down."""
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
    # Across, a position beyond the first or last pixel takes that pixel alone.
    beyond = (x < 0) | (x >= from_width - 1)
    x_weight = np.where(beyond, ZERO, x_weight)[None, :, None]
    x = x.clip(0, from_width - 1)
    x_next = (x + 1).clip(0, from_width - 1)

    y, y_weight = positions(from_height, height)
    # Down, the weights stay and both rows are clipped.
    y_weight = y_weight[:, None, None]
    y_next = (y + 1).clip(0, from_height - 1)
    y = y.clip(0, from_height - 1)

    # Two products and one sum, each rounded: no fused multiply-add here.
    upper_row = fetch(y, x) * (ONE - x_weight) + fetch(y, x_next) * x_weight
    lower_row = fetch(y_next, x) * (ONE - x_weight) + fetch(y_next, x_next) * x_weight
    result: FloatArray = upper_row * (ONE - y_weight) + lower_row * y_weight
    return result


def positions(source: int, target: int) -> tuple[Index, FloatArray]:
    """For each target index along an axis: the source index at or before it, and the weight of the next."""
    scale = 1.0 / (target / source)
    place: FloatArray = ((np.arange(target) + 0.5) * scale - 0.5).astype(
        np.float32
    )  # in double, rounded once
    before = np.floor(place)
    weight: FloatArray = place - before
    return before.astype(np.int64), weight
