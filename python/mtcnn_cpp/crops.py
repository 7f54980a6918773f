"""Faces cut out of a picture: the boxes as they are, or aligned by their landmarks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .image import opencv, to_bgr8, to_pixels
from .types import Color, FloatArray, ImageLike

# Where left eye, right eye, nose, left and right corner of the mouth lie in a chip of 112 x 112 pixels: the
# five-point template that networks of the ArcFace kind are trained on (Deng et al., "ArcFace", CVPR 2019;
# the numbers are those published with InsightFace).
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
TEMPLATE_SIZE = 112
MOST_PIXELS = 2**28  # of one crop


def crops(
    image: ImageLike, boxes: FloatArray, *, margin: float, size: int | None, color: Color
) -> list[NDArray[np.uint8]]:
    """See `Detections.crops`. boxes: (N, 4) x, y, width, height in pixels."""
    if not (math.isfinite(margin) and margin >= 0):
        raise ValueError(f"margin must be 0 or more, as a share of the box, got {margin}")
    if size is not None:
        _check_size(size)
    picture = to_bgr8(to_pixels(image, color, warn=None))
    return [_crop(picture, index, box, margin, size) for index, box in enumerate(boxes)]


def chips(image: ImageLike, landmarks: FloatArray, *, size: int, color: Color) -> list[NDArray[np.uint8]]:
    """See `Detections.chips`. landmarks: (N, 5, 2) x, y in pixels."""
    _check_size(size)
    cv2 = opencv("aligning faces")
    picture = to_bgr8(to_pixels(image, color, warn=None))
    return [_chip(cv2, picture, index, points, size) for index, points in enumerate(landmarks)]


def similarity(points: NDArray[np.floating], template: NDArray[np.floating]) -> NDArray[np.float64]:
    """The rotation, scale and shift, (2, 3), that bring `points` (N, 2) nearest to `template` in the sense of
    least squares. Not finite if the points are all one."""
    with np.errstate(divide="ignore", invalid="ignore"):
        p, q = (array[:, 0].astype(np.float64) + 1j * array[:, 1] for array in (points, template))
        spread = p - p.mean()
        turn = np.vdot(spread, q - q.mean()) / np.vdot(spread, spread)
        shift = q.mean() - turn * p.mean()
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def _crop(
    picture: NDArray[np.uint8], index: int, box: FloatArray, margin: float, size: int | None
) -> NDArray[np.uint8]:
    x, y, width, height = (float(value) for value in box)
    if not (np.isfinite(box).all() and width > 0 and height > 0):
        raise ValueError(f"face {index} has no box that can be cut out: {_listed(box)}")
    center = x + width / 2, y + height / 2
    width, height = width * (1 + 2 * margin), height * (1 + 2 * margin)
    if size is None:
        left, top = math.floor(center[0] - width / 2), math.floor(center[1] - height / 2)
        right, bottom = math.ceil(center[0] + width / 2), math.ceil(center[1] + height / 2)
    else:
        side = max(1, round(max(width, height)))
        left, top = (round(value - side / 2) for value in center)
        right, bottom = left + side, top + side
    window = _window(picture, index, left, top, right, bottom)
    if size is None:
        return window
    cv2 = opencv("scaling crops")
    how = cv2.INTER_AREA if size < len(window) else cv2.INTER_LINEAR
    scaled: NDArray[np.uint8] = cv2.resize(window, (size, size), interpolation=how)
    return scaled


def _chip(
    cv2: Any, picture: NDArray[np.uint8], index: int, points: FloatArray, size: int
) -> NDArray[np.uint8]:
    matrix = similarity(points, TEMPLATE * (size / TEMPLATE_SIZE))
    if not np.isfinite(matrix).all() or not matrix[:, :2].any():
        raise ValueError(f"face {index} cannot be aligned, its landmarks are {_listed(points)}")
    # The part of the picture that the chip shows, since OpenCV takes no pictures of more than 32767 a side.
    back = np.linalg.inv(matrix[:, :2])
    corners = (np.array([[0, 0], [size, 0], [0, size], [size, size]]) - matrix[:, 2]) @ back.T
    left, top = (math.floor(value) - 2 for value in corners.min(axis=0))
    right, bottom = (math.ceil(value) + 3 for value in corners.max(axis=0))
    window = _window(picture, index, left, top, right, bottom)
    matrix[:, 2] += matrix[:, :2] @ (left, top)
    chip: NDArray[np.uint8] = cv2.warpAffine(window, matrix, (size, size), flags=cv2.INTER_LINEAR)
    return chip


def _window(
    picture: NDArray[np.uint8], index: int, left: int, top: int, right: int, bottom: int
) -> NDArray[np.uint8]:
    """A part of the picture as an array of its own, black where there is no picture."""
    if (right - left) * (bottom - top) > MOST_PIXELS:
        raise ValueError(
            f"face {index} is too large to be cut out: {right - left} x {bottom - top} pixels, at most "
            f"{MOST_PIXELS} are allowed"
        )
    window = np.zeros((bottom - top, right - left, 3), np.uint8)
    rows, columns = picture.shape[:2]
    inside = picture[max(top, 0) : max(min(bottom, rows), 0), max(left, 0) : max(min(right, columns), 0)]
    y, x = max(-top, 0), max(-left, 0)
    if inside.size:
        window[y : y + inside.shape[0], x : x + inside.shape[1]] = inside
    return window


def _check_size(size: int) -> None:
    if not 1 <= size <= 8192:
        raise ValueError(f"size must be 1…8192 pixels, got {size}")


def _listed(values: FloatArray) -> str:
    return ", ".join(str(value) for value in values.ravel())
