"""Suppresses boxes, moves them by offsets, and makes them square.

Boxes are (N, 4) float32 `x, y, width, height`.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from .types import DoubleArray, FloatArray

Indices = npt.NDArray[np.int32]
Integers = npt.NDArray[np.int64]

BOX_LIMIT = np.float32(1 << 30)


def check_usable(boxes: FloatArray) -> None:
    """Raise ValueError if a value of a box is not finite or has an absolute value of 2^30 or more."""
    bad = np.flatnonzero(~are_usable(boxes))
    if bad.size:
        raise ValueError(f"boxes: expected finite numbers below 2^30, found another in row {bad[0]}")


def to_integers(boxes: FloatArray) -> Integers:
    """Round x, y, width and height to the nearest integer, ties to even."""
    check_usable(boxes)
    return np.rint(boxes).astype(np.int64)


def non_maximum_suppression(
    boxes: FloatArray, scores: FloatArray, threshold: float, mode: Literal["union", "minimum"]
) -> Indices:
    """Suppress boxes that overlap a box with a higher score.

    Boxes are rounded to integers. The box with the highest score is kept. If several boxes have this score,
    the last of them is kept. Every other box is dropped if its overlap with the kept box exceeds the
    threshold. Both steps are repeated with the boxes that are neither kept nor dropped, until there are no
    such boxes. All overlaps are computed in float32. A result of 0/0 counts as no overlap.

    Args:
        boxes: (N, 4) float32 `x, y, width, height`.
        scores: (N,) float32.
        threshold: Maximum overlap between two boxes that are both kept.
        mode: Definition of the overlap. With "union", it is the area of the intersection divided by the area
            of the union. With "minimum", it is the area of the intersection divided by the area of the
            smaller box.

    Returns:
        Indices (M,) int32 of the kept boxes, sorted by descending score.

    Raises:
        ValueError: A score is NaN, or a value of a box is not finite or has an absolute value of 2^30 or
            more.
    """
    x, y, width, height = to_integers(boxes).T
    if np.isnan(scores).any():
        raise ValueError("scores: expected numbers, found NaN")
    right, bottom, area = x + width, y + height, width * height
    limit = np.float32(threshold)

    # Unless the threshold is negative, only boxes that intersect can drop each other. Therefore, compare a
    # box only with boxes whose left side is close enough. This is fast even for a very large number of boxes.
    by_left = np.argsort(x, kind="stable")
    widest = width.max(initial=0)
    first = np.searchsorted(x[by_left], x - widest) if limit >= 0 else np.zeros_like(x)
    last = np.searchsorted(x[by_left], right) if limit >= 0 else np.full_like(x, x.size)

    picked = []
    remains = np.ones(x.size, np.bool_)
    for best in np.argsort(scores, kind="stable")[::-1]:
        if not remains[best]:
            continue
        picked.append(best)
        remains[best] = False
        near = by_left[first[best] : last[best]]
        near = near[remains[near]]
        across = np.minimum(right[best], right[near]) - np.maximum(x[best], x[near])
        down = np.minimum(bottom[best], bottom[near]) - np.maximum(y[best], y[near])
        shared = np.where((across > 0) & (down > 0), across * down, 0).astype(np.float32)
        if mode == "union":
            total = (area[best] + area[near]).astype(np.float32) - shared
        else:
            total = np.minimum(area[best], area[near]).astype(np.float32)
        with np.errstate(divide="ignore", invalid="ignore"):
            remains[near[shared / total > limit]] = False
    return np.array(picked, np.int32)


def apply_offsets(boxes: FloatArray, offsets: FloatArray, add_one: bool) -> FloatArray:
    """Move the corners of each box by its offsets, which are fractions of the size of the box.

    The result of each operation is rounded to float32.

    Args:
        boxes: (N, 4) float32 `x, y, width, height`. The function first rounds the boxes to integers.
        offsets: (N, 4) float32 `dx1, dy1, dx2, dy2`. A value of 1 means the full width or height of the box.
        add_one: Add 1 to width and height after rounding.

    Returns:
        The moved boxes, (N, 4) float32.
    """
    integers = to_integers(boxes)
    integers[:, 2:] += int(add_one)
    x, y, width, height = integers.astype(np.float32).T
    dx1, dy1, dx2, dy2 = offsets.T
    with np.errstate(over="ignore", invalid="ignore"):
        left, top = x + dx1 * width, y + dy1 * height
        right, bottom = (x + width) + width * dx2, (y + height) + height * dy2
        return np.stack([left, top, right - left, bottom - top], axis=1)


def make_square(boxes: FloatArray) -> FloatArray:
    """Expand each box to a square. The result is truncated to integers.

    A square has the same centre as its box. Its side is the longer side of the box.

    Args:
        boxes: (N, 4) float32 `x, y, width, height`.

    Returns:
        The squares, (N, 4) float32. The squares contain no negative zeros.
    """
    check_usable(boxes)
    x, y, width, height = boxes.T
    side = np.maximum(width, height)

    def shifted(start: FloatArray, size: FloatArray) -> FloatArray:
        moved: DoubleArray = start.astype(np.float64) + 0.5 * (size - side).astype(np.float64)
        return moved.astype(np.float32)

    squares: FloatArray = np.stack([shifted(x, width), shifted(y, height), side, side], axis=1)
    return squares.astype(np.int64).astype(np.float32)  # removes negative zeros, because integers have none


def are_usable(boxes: FloatArray) -> npt.NDArray[np.bool_]:
    """Return a mask of the boxes whose values are all finite and have absolute values below 2^30.

    The networks of a user can produce boxes with other values.
    """
    return np.asarray((np.abs(boxes) < BOX_LIMIT).all(axis=1))


def are_inside(squares: FloatArray, height: int, width: int) -> npt.NDArray[np.bool_]:
    """Return a mask of the squares whose side is positive and whose patch (see `cut`) overlaps the image."""
    x, y, side, _ = squares.astype(np.int64).T
    inside: npt.NDArray[np.bool_] = (
        (side > 0) & (x <= width) & (y <= height) & (x + side >= 1) & (y + side >= 1)
    )
    return inside
