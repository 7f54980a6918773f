"""Boxes (N, 4) float32 `x, y, width, height`: suppression, offsets, squares."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from .types import DoubleArray, FloatArray

Indices = npt.NDArray[np.int32]
Integers = npt.NDArray[np.int64]

BOX_LIMIT = np.float32(1 << 30)


def check_usable(boxes: FloatArray) -> None:
    bad = np.flatnonzero(~are_usable(boxes))
    if bad.size:
        raise ValueError(f"boxes: expected finite numbers below 2^30, found another in row {bad[0]}")


def to_integers(boxes: FloatArray) -> Integers:
    """Each of x, y, width, height to nearest, ties to even."""
    check_usable(boxes)
    return np.rint(boxes).astype(np.int64)


def non_maximum_suppression(
    boxes: FloatArray, scores: FloatArray, threshold: float, mode: Literal["union", "minimum"]
) -> Indices:
    """Indices of the boxes that stay, in the order picked; ValueError for NaN scores, which have no order.

    Takes the box of the highest score (of equal scores the last one), drops each remaining one whose
    overlap with it is above the threshold, and goes on. Boxes are rounded to integers. Overlap: the
    intersection's area over that of the union, or over the smaller of the two areas, in float; 0/0 is no
    overlap.
    """
    x, y, width, height = to_integers(boxes).T
    if np.isnan(scores).any():
        raise ValueError("scores: expected numbers, found NaN")
    right, bottom, area = x + width, y + height, width * height
    limit = np.float32(threshold)

    # Boxes that do not touch cannot drop each other (unless the threshold is negative). So only those boxes
    # are looked at whose left side is in reach: that is quick even with very many boxes.
    by_left = np.argsort(x, kind="stable")
    widest = width.max(initial=0)
    first = np.searchsorted(x[by_left], x - widest) if limit >= 0 else np.zeros_like(x)
    last = np.searchsorted(x[by_left], right) if limit >= 0 else np.full_like(x, x.size)

    picked = []
    is_left = np.ones(x.size, np.bool_)
    for best in np.argsort(scores, kind="stable")[::-1]:
        if not is_left[best]:
            continue
        picked.append(best)
        is_left[best] = False
        near = by_left[first[best] : last[best]]
        near = near[is_left[near]]
        across = np.minimum(right[best], right[near]) - np.maximum(x[best], x[near])
        down = np.minimum(bottom[best], bottom[near]) - np.maximum(y[best], y[near])
        shared = np.where((across > 0) & (down > 0), across * down, 0).astype(np.float32)
        if mode == "union":
            whole = (area[best] + area[near]).astype(np.float32) - shared
        else:
            whole = np.minimum(area[best], area[near]).astype(np.float32)
        with np.errstate(divide="ignore", invalid="ignore"):
            is_left[near[shared / whole > limit]] = False
    return np.array(picked, np.int32)


def apply_offsets(boxes: FloatArray, offsets: FloatArray, add_one: bool) -> FloatArray:
    """Boxes with their corners moved by offsets times size, float32, each step rounded.

    They are rounded to integers before; with add_one, width and height are 1 more.
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
    """Squares of the longer side about the same centre, in whole numbers (truncated)."""
    check_usable(boxes)
    x, y, width, height = boxes.T
    side = np.maximum(width, height)

    def shifted(start: FloatArray, size: FloatArray) -> FloatArray:
        moved: DoubleArray = start.astype(np.float64) + 0.5 * (size - side).astype(np.float64)
        return moved.astype(np.float32)

    squares: FloatArray = np.stack([shifted(x, width), shifted(y, height), side, side], axis=1)
    return squares.astype(np.int64).astype(np.float32)  # truncated as integers: no negative zero


def are_usable(boxes: FloatArray) -> npt.NDArray[np.bool_]:
    """Which boxes are finite and within 2^30; a user's own network can make others."""
    return np.asarray((np.abs(boxes) < BOX_LIMIT).all(axis=1))


def are_inside(squares: FloatArray, height: int, width: int) -> npt.NDArray[np.bool_]:
    """Which squares have a positive side and a patch that shares a pixel with the image (see `cut`)."""
    x, y, side, _ = squares.astype(np.int64).T
    inside: npt.NDArray[np.bool_] = (
        (side > 0) & (x <= width) & (y <= height) & (x + side >= 1) & (y + side >= 1)
    )
    return inside
