"""Cuts faces out of an image by their boxes, or aligns faces by their landmarks."""

from __future__ import annotations

import math
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from ..types import Color, FaceTemplate, FloatArray, ImageLike
from .image.opencv import import_opencv
from .image.pixels import to_pixels, to_uint8

# Landmarks in an aligned face of 112 x 112 pixels: left eye, right eye, nose, left and right corner of the
# mouth. This is the five-point template of ArcFace networks (Deng et al., "ArcFace", CVPR 2019) with the
# numbers that InsightFace publishes.
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
TEMPLATE_SIZE = 112
# Default side of the images that `align_faces` returns.
ALIGNED_SIZES: dict[FaceTemplate, int] = {"arcface": TEMPLATE_SIZE, "facenet": 160}
MAX_PIXELS = 2**28  # limit for one crop


def crop_faces(
    image: ImageLike, boxes: FloatArray, *, margin: float, size: int | None, color: Color
) -> list[NDArray[np.uint8]]:
    """Cut out faces (see `Detections.crops`). `boxes` are (N, 4) x, y, width, height in pixels."""
    check_crop_options(size, margin)
    pixels = to_uint8(to_pixels(image, color, warn=None), color)
    return [crop_face(pixels, index, box, margin, size) for index, box in enumerate(boxes)]


def align_faces(
    image: ImageLike,
    boxes: FloatArray,
    landmarks: FloatArray,
    *,
    size: int | None,
    template: FaceTemplate,
    margin: float,
    color: Color,
) -> list[NDArray[np.uint8]]:
    """Align faces (see `Detections.aligned`).

    `boxes` are (N, 4) x, y, width, height, and `landmarks` are (N, 5, 2) x, y, both in pixels.
    """
    if template not in get_args(FaceTemplate):
        raise ValueError(f"template must be one of {', '.join(get_args(FaceTemplate))}, got {template!r}")
    check_crop_options(size, margin)
    pixels = to_uint8(to_pixels(image, color, warn=None), color)
    return [
        align_face(pixels, index, box, points, size, template, margin)
        for index, (box, points) in enumerate(zip(boxes, landmarks, strict=True))
    ]


def check_crop_options(size: int | None, margin: float) -> None:
    """Raise ValueError if the size or the margin of crops or aligned faces is out of range."""
    if not (math.isfinite(margin) and margin >= 0):
        raise ValueError(f"margin must be 0 or more, as a fraction of the face's size, got {margin}")
    if size is not None and not 1 <= size <= 8192:
        raise ValueError(f"size must be 1…8192 pixels, got {size}")


def fit_similarity(points: NDArray[np.floating], template: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the least-squares similarity transform from `points` (N, 2) to `template` (N, 2).

    The result is a matrix (2, 3) that contains rotation, scale and translation. The matrix is not finite if
    all points are equal.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        p, q = (array[:, 0].astype(np.float64) + 1j * array[:, 1] for array in (points, template))
        centered = p - p.mean()
        turn = np.vdot(centered, q - q.mean()) / np.vdot(centered, centered)
        shift = q.mean() - turn * p.mean()
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def onet_boxes(boxes: FloatArray) -> FloatArray:
    """Undo OpenFace's final correction of boxes (N, 4) (see `to_faces` in `reference/cascade.py`).

    The networks were trained with boxes around the whole face. The correction moves such a box to the region
    of the 68 landmarks, which does not include the forehead.
    """
    x, y, width, height = boxes.astype(np.float64).T
    width, height = width / 1.0323, height / 0.7751
    restored = [x + width * 0.0075, y - height * 0.2459, width, height]
    return np.stack(restored, axis=1).astype(np.float32)


def facenet_region(
    corners: NDArray[np.float64], border: NDArray[np.float64], size: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Return the part of an image that facenet-pytorch cuts out for a box: left, top, right, bottom.

    Args:
        corners: (2, 2) corners x, y of the box.
        border: (2,) width of the border on the left and right sides, and on the upper and lower sides.
        size: Width and height of the image.
    """
    left, top = (int(value) for value in np.maximum(corners[0] - border, 0))
    right, bottom = (int(value) for value in np.minimum(corners[1] + border, size))
    if left >= right or top >= bottom:
        raise ValueError(f"box must contain at least one pixel of the image, got {corners.ravel().tolist()}")
    return left, top, right, bottom


def crop_face(
    pixels: NDArray[np.uint8], index: int, box: FloatArray, margin: float, size: int | None
) -> NDArray[np.uint8]:
    """Cut out one face. `index` is its number in error messages."""
    x, y, width, height = (float(value) for value in box)
    if not (np.isfinite(box).all() and width > 0 and height > 0):
        raise ValueError(
            f"face {index}: expected a box of finite numbers, width and height above 0, found {_join(box)}"
        )
    center = x + width / 2, y + height / 2
    width, height = width * (1 + 2 * margin), height * (1 + 2 * margin)
    if size is None:
        left, top = math.floor(center[0] - width / 2), math.floor(center[1] - height / 2)
        right, bottom = math.ceil(center[0] + width / 2), math.ceil(center[1] + height / 2)
    else:
        side = max(1, round(max(width, height)))
        left, top = (round(value - side / 2) for value in center)
        right, bottom = left + side, top + side
    window = _cut_window(pixels, index, left, top, right, bottom)
    if size is None:
        return window
    cv2 = import_opencv("scaling crops")
    interpolation = cv2.INTER_AREA if size < len(window) else cv2.INTER_LINEAR
    scaled: NDArray[np.uint8] = cv2.resize(window, (size, size), interpolation=interpolation)
    return scaled


def align_face(
    pixels: NDArray[np.uint8],
    index: int,
    box: FloatArray,
    points: FloatArray,
    size: int | None,
    template: FaceTemplate,
    margin: float,
) -> NDArray[np.uint8]:
    """Align one face. `index` is its number in error messages."""
    cv2 = import_opencv("aligning faces")
    side = ALIGNED_SIZES[template] if size is None else size
    if template == "facenet":
        return _cut_facenet_input(cv2, pixels, index, box, side, margin)
    return _fit_to_template(cv2, pixels, index, points, side, margin)


def _cut_facenet_input(
    cv2: Any, pixels: NDArray[np.uint8], index: int, box: FloatArray, size: int, margin: float
) -> NDArray[np.uint8]:
    if not np.isfinite(box).all():
        raise ValueError(f"face {index}: expected a box of finite numbers, found {_join(box)}")
    whole = onet_boxes(box[None])[0]
    corners = np.stack([whole[:2], whole[:2] + whole[2:]]).astype(np.float64)
    try:
        left, top, right, bottom = facenet_region(
            corners, margin * (corners[1] - corners[0]), pixels.shape[1::-1]
        )
    except ValueError as error:
        raise ValueError(f"face {index}: {error}") from error
    window = np.ascontiguousarray(pixels[top:bottom, left:right])
    scaled: NDArray[np.uint8] = cv2.resize(window, (size, size), interpolation=cv2.INTER_AREA)
    return scaled


def _fit_to_template(
    cv2: Any, pixels: NDArray[np.uint8], index: int, points: FloatArray, size: int, margin: float
) -> NDArray[np.uint8]:
    scale = size / TEMPLATE_SIZE / (1 + 2 * margin)
    matrix = fit_similarity(points, (TEMPLATE + margin * TEMPLATE_SIZE) * scale)
    if not np.isfinite(matrix).all() or not matrix[:, :2].any():
        raise ValueError(f"face {index} cannot be aligned with the landmarks {_join(points)}")
    # Cut out the visible part first, because warpAffine accepts at most 32767 pixels per side.
    back = np.linalg.inv(matrix[:, :2])
    corners = (np.array([[0, 0], [size, 0], [0, size], [size, size]]) - matrix[:, 2]) @ back.T
    left, top = (math.floor(value) - 2 for value in corners.min(axis=0))
    right, bottom = (math.ceil(value) + 3 for value in corners.max(axis=0))
    window = _cut_window(pixels, index, left, top, right, bottom)
    matrix[:, 2] += matrix[:, :2] @ (left, top)
    aligned: NDArray[np.uint8] = cv2.warpAffine(window, matrix, (size, size), flags=cv2.INTER_LINEAR)
    return aligned


def _cut_window(
    pixels: NDArray[np.uint8], index: int, left: int, top: int, right: int, bottom: int
) -> NDArray[np.uint8]:
    """Copy a part of the image. Pixels outside of the image are black."""
    if (right - left) * (bottom - top) > MAX_PIXELS:
        raise ValueError(
            f"face {index} is too large to be cut out: {right - left} x {bottom - top} pixels, at most "
            f"{MAX_PIXELS} are allowed"
        )
    window = np.zeros((bottom - top, right - left, 3), np.uint8)
    rows, columns = pixels.shape[:2]
    inside = pixels[max(top, 0) : max(min(bottom, rows), 0), max(left, 0) : max(min(right, columns), 0)]
    y, x = max(-top, 0), max(-left, 0)
    if inside.size:
        window[y : y + inside.shape[0], x : x + inside.shape[1]] = inside
    return window


def _join(values: FloatArray) -> str:
    return ", ".join(str(value) for value in values.ravel())
