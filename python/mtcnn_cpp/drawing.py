"""Faces drawn into pictures: boxes, landmarks and scores, with smooth edges and without OpenCV.

Every shape is given by its signed distance (pixels, negative inside) at the pixels around it; a pixel is
covered by 0.5 - distance, cut to 0…1, and blended. Sizes follow the picture's, so that a thumbnail and a
poster look alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .image import to_bgr8, to_pixels
from .types import Color, FloatArray, ImageLike

Picture: TypeAlias = NDArray[np.uint8]
Colour: TypeAlias = tuple[int, int, int]  # B, G, R
Places: TypeAlias = NDArray[np.floating[Any]]
# The signed distance of a shape, in pixels, at columns (W,) and rows (H, 1).
Distance: TypeAlias = Callable[[Places, Places], Places]

GREEN: Colour = (96, 220, 40)
WHITE: Colour = (255, 255, 255)
BLACK: Colour = (0, 0, 0)

# Digits as strokes on a field 4 wide and 6 high, y down.
# fmt: off
_STROKES: dict[str, list[list[tuple[float, float]]]] = {
    "0": [[(1, 0), (3, 0), (4, 1), (4, 5), (3, 6), (1, 6), (0, 5), (0, 1), (1, 0)]],
    "1": [[(0.6, 1.4), (2, 0), (2, 6)], [(0.6, 6), (3.4, 6)]],
    "2": [[(0, 1), (1, 0), (3, 0), (4, 1), (4, 2.2), (0, 6), (4, 6)]],
    "3": [[(0, 0.8), (1, 0), (3, 0), (4, 1), (4, 2), (3, 3), (1.6, 3)],
          [(3, 3), (4, 4), (4, 5), (3, 6), (1, 6), (0, 5.2)]],
    "4": [[(3, 6), (3, 0), (0, 4.2), (4, 4.2)]],
    "5": [[(3.8, 0), (0.4, 0), (0.2, 2.6), (3, 2.4), (4, 3.4), (4, 5), (3, 6), (1, 6), (0, 5.2)]],
    "6": [[(3.6, 0.4), (2.8, 0), (1, 0), (0, 1), (0, 5), (1, 6), (3, 6), (4, 5), (4, 3.6), (3, 2.6), (1, 2.6),
           (0, 3.4)]],
    "7": [[(0, 0), (4, 0), (1.4, 6)]],
    "8": [[(1, 3), (0, 2), (0, 1), (1, 0), (3, 0), (4, 1), (4, 2), (3, 3), (1, 3), (0, 4), (0, 5)],
          [(0, 5), (1, 6), (3, 6), (4, 5), (4, 4), (3, 3)]],
    "9": [[(0.4, 5.6), (1.2, 6), (3, 6), (4, 5), (4, 1), (3, 0), (1, 0), (0, 1), (0, 2.4), (1, 3.4), (3, 3.4),
           (4, 2.6)]],
    ".": [[(0.6, 6), (0.6, 6)]],
}
# fmt: on
_ADVANCE = {".": 2.2}
_DIGIT_ADVANCE = 5.6


class Drawable(Protocol):
    """What can be drawn: `Detections`, or anything with such arrays."""

    @property
    def boxes(self) -> FloatArray: ...

    @property
    def scores(self) -> FloatArray: ...

    @property
    def landmarks(self) -> FloatArray: ...


def draw(image: ImageLike, faces: Drawable, *, color: Color = "bgr", line: Colour = GREEN) -> Picture:
    """A copy of the picture with the faces drawn in, (H, W, 3) uint8 in the order B, G, R.

    `image` and `color` are as for `Detector.detect`; `line` is the colour of the boxes as (B, G, R).
    """
    picture = to_bgr8(to_pixels(image, color))
    unit = max(1.0, max(picture.shape[:2]) / 640)
    for index in reversed(range(len(faces.scores))):  # the best face on top
        _draw_face(picture, faces.boxes[index], faces.scores[index], faces.landmarks[index], unit, line)
    return picture


def _draw_face(
    picture: Picture,
    box: FloatArray,
    score: np.float32,
    landmarks: FloatArray,
    unit: float,
    line: Colour,
) -> None:
    x, y, width, height = (float(value) for value in box)
    thickness = max(1.2, min(1.8 * unit, width / 40))
    outline = _rounded_box(x, y, width, height, radius=min(4 * unit, width / 4, height / 4))
    bounds = (x, y, x + width, y + height)
    edge: Distance = lambda u, v: np.abs(outline(u, v)) - thickness / 2  # noqa: E731
    _blend(picture, edge, bounds, margin=3 * unit, colour=BLACK, grow=0.8 * unit, opacity=0.4)
    _blend(picture, edge, bounds, margin=2 * unit, colour=line)
    dot = max(1.2 * unit, min(2.4 * unit, width / 45))
    for point_x, point_y in landmarks.tolist():
        shape, bounds = _dot(point_x, point_y, dot), (point_x, point_y, point_x, point_y)
        _blend(picture, shape, bounds, margin=2 * dot + 1, colour=BLACK, grow=0.8 * unit, opacity=0.6)
        _blend(picture, shape, bounds, margin=2 * dot, colour=WHITE)
    cell = max(1.0, min(1.2 * unit, width / 50))
    _draw_label(picture, f"{score:.3f}", x - thickness / 2, y - thickness / 2, cell, line)


def _draw_label(picture: Picture, text: str, left: float, bottom: float, cell: float, fill: Colour) -> None:
    """Dark digits, 6 cells high, on a plate that stands on (left, bottom) or as near as the picture
    allows."""
    pad_x, pad_y = 2.2 * cell, 1.7 * cell
    width = cell * (sum(_ADVANCE.get(sign, _DIGIT_ADVANCE) for sign in text) - 1.6) + 2 * pad_x
    height = 6 * cell + 2 * pad_y
    left = max(0.0, min(left, picture.shape[1] - width))
    top = max(0.0, min(bottom - height - cell, picture.shape[0] - height))
    plate = _rounded_box(left, top, width, height, radius=2 * cell)
    bounds = (left, top, left + width, top + height)
    _blend(picture, plate, bounds, margin=2 * cell, colour=BLACK, grow=0.6 * cell, opacity=0.4)
    _blend(picture, plate, bounds, margin=1, colour=fill)
    pen_x, pen_y = left + pad_x, top + pad_y
    for sign in text:
        points = [[(pen_x + cell * u, pen_y + cell * v) for u, v in stroke] for stroke in _STROKES[sign]]
        strokes = _polylines(points, thickness=1.05 * cell)
        bounds = (pen_x, pen_y, pen_x + 4 * cell, pen_y + 6 * cell)
        _blend(picture, strokes, bounds, margin=cell + 1, colour=BLACK, opacity=0.9)
        pen_x += cell * _ADVANCE.get(sign, _DIGIT_ADVANCE)


def _blend(
    picture: Picture,
    distance: Distance,
    bounds: tuple[float, float, float, float],
    *,
    margin: float,
    colour: Colour,
    grow: float = 0.0,
    opacity: float = 1.0,
) -> None:
    """Paint the pixels nearer than `grow` to a shape that lies in `bounds` (left, top, right, bottom) ±
    `margin`."""
    if not all(math.isfinite(value) for value in bounds):
        return
    height, width = picture.shape[:2]
    left, right = (int(min(max(value, 0), width)) for value in (bounds[0] - margin, bounds[2] + margin + 2))
    top, bottom = (int(min(max(value, 0), height)) for value in (bounds[1] - margin, bounds[3] + margin + 2))
    if left >= right or top >= bottom:
        return
    u = np.arange(left, right, dtype=np.float32)
    v = np.arange(top, bottom, dtype=np.float32)[:, np.newaxis]
    covered = np.clip(0.5 + grow - distance(u, v), 0, 1) * opacity
    window = picture[top:bottom, left:right]
    window[...] = np.rint(window + (np.asarray(colour, np.float32) - window) * covered[..., np.newaxis])


def _rounded_box(x: float, y: float, width: float, height: float, radius: float) -> Distance:
    def distance(u: Places, v: Places) -> Places:
        out_x = np.abs(u - (x + width / 2)) - (width / 2 - radius)
        out_y = np.abs(v - (y + height / 2)) - (height / 2 - radius)
        outside: Places = np.hypot(np.maximum(out_x, 0), np.maximum(out_y, 0))
        inside: Places = np.minimum(np.maximum(out_x, out_y), 0)
        return outside + inside - np.float32(radius)

    return distance


def _dot(x: float, y: float, radius: float) -> Distance:
    return lambda u, v: np.hypot(u - np.float32(x), v - np.float32(y)) - np.float32(radius)


def _polylines(lines: list[list[tuple[float, float]]], thickness: float) -> Distance:
    def distance(u: Places, v: Places) -> Places:
        nearest: Any = np.float32(np.inf)
        for points in lines:
            for (ax, ay), (bx, by) in pairwise(points):
                dx, dy = bx - ax, by - ay
                along = np.clip(((u - ax) * dx + (v - ay) * dy) / max(dx * dx + dy * dy, 1e-9), 0, 1)
                nearest = np.minimum(nearest, np.hypot(u - ax - along * dx, v - ay - along * dy))
        return np.asarray(nearest - thickness / 2, np.float32)

    return distance
