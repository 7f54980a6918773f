"""Faces drawn into pictures by OpenCV: boxes, landmarks, and a label with number and score.

Sizes follow the picture's, so that a thumbnail and a poster look alike. Places are given to OpenCV in
sixteenths of a pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .image import opencv, to_bgr8, to_pixels
from .types import Color, FloatArray, ImageLike

Picture: TypeAlias = NDArray[np.uint8]
Colour: TypeAlias = tuple[int, int, int]  # B, G, R

GREEN: Colour = (96, 220, 40)
WHITE: Colour = (255, 255, 255)
BLACK: Colour = (0, 0, 0)
SHADE = 0.5  # how dark the rims of lines and dots are

_SHIFT = 4  # binary digits of a pixel's fraction
_QUARTER = np.stack([np.sin(turn := np.linspace(0, np.pi / 2, 7)), np.cos(turn)], axis=1)


class Drawable(Protocol):
    """What can be drawn: `Detections`, or anything with such arrays."""

    @property
    def boxes(self) -> FloatArray: ...

    @property
    def scores(self) -> FloatArray: ...

    @property
    def landmarks(self) -> FloatArray: ...


def draw(
    image: ImageLike,
    faces: Drawable,
    *,
    color: Color = "bgr",
    line: Colour = GREEN,
    face_ids: Sequence[int] | None = None,
) -> Picture:
    """A copy of the picture with the faces drawn in, (H, W, 3) uint8 in the order B, G, R.

    `image` and `color` are as for `Detector.detect`; `line` is the colour of the boxes as (B, G, R). A label
    has the face's number and its score: the numbers are `face_ids`, or count from 0, best face first. What is
    not finite is left out.

    Raises ImportError where OpenCV cannot be imported, ValueError if there are not as many numbers as faces,
    and what `Detector.detect` raises for a picture that it cannot use.
    """
    count = len(faces.scores)
    if face_ids is not None and len(face_ids) != count:
        raise ValueError(f"face_ids must have one number for each of {count} faces, got {len(face_ids)}")
    numbers = range(count) if face_ids is None else face_ids
    pen = _Pen(opencv("drawing faces"), to_bgr8(to_pixels(image, color, warn=None)))
    for box, landmarks in zip(faces.boxes, faces.landmarks, strict=True):
        pen.shade(box, landmarks)
    pen.blend()
    for index in reversed(range(count)):  # the best face on top
        pen.face(faces.boxes[index], faces.landmarks[index], line)
    for index in reversed(range(count)):
        pen.label(f"{numbers[index]}  {faces.scores[index]:.5f}", faces.boxes[index], line)
    return pen.picture


class _Pen:
    """Draws on one picture, (H, W, 3) uint8, B, G, R: first every shade, then `blend`, then the faces."""

    def __init__(self, cv2: ModuleType, picture: Picture) -> None:
        self._cv2 = cv2
        self.picture = picture
        self._unit = max(1.0, max(picture.shape[:2]) / 640)
        self._dark: Picture | None = None  # the picture with all that is to become darker in black

    def shade(self, box: FloatArray, landmarks: FloatArray) -> None:
        """A rim around what `face` draws."""
        if self._dark is None:
            self._dark = self.picture.copy()
        self._outline(self._dark, box, self._thickness(box) + round(1.6 * self._unit), BLACK)
        for point in landmarks:
            self._dot(self._dark, point, self._radius(box) + 0.8 * self._unit, BLACK)

    def blend(self) -> None:
        if self._dark is not None:
            self._cv2.addWeighted(self._dark, SHADE, self.picture, 1 - SHADE, 0, dst=self.picture)

    def face(self, box: FloatArray, landmarks: FloatArray, line: Colour) -> None:
        self._outline(self.picture, box, self._thickness(box), line)
        for point in landmarks:
            self._dot(self.picture, point, self._radius(box), WHITE)

    def label(self, text: str, box: FloatArray, fill: Colour) -> None:
        """Dark text on a plate that stands on the box's upper left corner, or as near as the picture
        allows."""
        if not np.isfinite(box).all():
            return
        cv2, (rows, columns) = self._cv2, self.picture.shape[:2]
        digits = round(max(8.0, min(9 * self._unit, float(box[2]) / 7)))  # pixels high
        thick = max(1, round(digits / 8))
        scale = cv2.getFontScaleFromHeight(cv2.FONT_HERSHEY_SIMPLEX, digits, 1)
        width = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)[0][0]
        pad = max(2, round(digits / 3.5))
        half = self._thickness(box) / 2
        left = round(max(0.0, min(float(box[0]) - half, columns - width - 2 * pad)))
        top = round(
            max(0.0, min(float(box[1]) - half - digits - 2 * pad - digits / 6, rows - digits - 2 * pad))
        )
        corners = _rounded(left, top, left + width + 2 * pad - 1, top + digits + 2 * pad - 1, pad)
        cv2.fillPoly(self.picture, [_fixed(corners)], fill, cv2.LINE_AA, _SHIFT)
        place = (left + pad, top + pad + digits)
        cv2.putText(
            self.picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, BLACK, thick, cv2.LINE_AA
        )  # fmt: skip

    def _thickness(self, box: FloatArray) -> int:
        return round(max(1.0, min(1.7 * self._unit, float(box[2]) / 40))) if np.isfinite(box[2]) else 1

    def _radius(self, box: FloatArray) -> float:
        width = float(box[2]) if np.isfinite(box[2]) else 0.0
        radius: float = max(1.4 * self._unit, min(2.4 * self._unit, width / 45))
        return radius

    def _outline(self, picture: Picture, box: FloatArray, thickness: int, colour: Colour) -> None:
        if not np.isfinite(box).all():
            return
        rows, columns = picture.shape[:2]
        far = 4 * max(rows, columns)  # beyond what can be seen; OpenCV's numbers end at 2^31
        x, y, width, height = (float(value) for value in box)
        left, right = np.clip((x, x + width), -far, far).tolist()
        top, bottom = np.clip((y, y + height), -far, far).tolist()
        radius = max(0.0, min(4 * self._unit, (right - left) / 4, (bottom - top) / 4))
        corners = _fixed(_rounded(left, top, right, bottom, radius))
        self._cv2.polylines(picture, [corners], True, colour, thickness, self._cv2.LINE_AA, _SHIFT)

    def _dot(self, picture: Picture, point: FloatArray, radius: float, colour: Colour) -> None:
        far = 4 * max(picture.shape[:2])
        if not (np.isfinite(point).all() and (np.abs(point) < far).all()):
            return
        x, y = _fixed(point).tolist()
        size = round(radius * 2**_SHIFT)
        self._cv2.circle(picture, (x, y), size, colour, self._cv2.FILLED, self._cv2.LINE_AA, _SHIFT)


def _rounded(left: float, top: float, right: float, bottom: float, radius: float) -> NDArray[np.float64]:
    """The corners of a box with rounded corners, clockwise from the top right, (28, 2) x, y in pixels."""
    arc = radius * _QUARTER  # from (0, 1) to (1, 0), y up
    near, far = (left + radius, top + radius), (right - radius, bottom - radius)
    return np.concatenate(
        [
            (far[0], near[1]) + arc * (1, -1),
            far + arc[::-1],
            (near[0], far[1]) + arc * (-1, 1),
            near - arc[::-1],
        ]
    )


def _fixed(places: NDArray[np.floating]) -> NDArray[np.int32]:
    """Pixels in OpenCV's fixed-point numbers."""
    fixed: NDArray[np.int32] = np.rint(places.astype(np.float64) * 2**_SHIFT).astype(np.int32)
    return fixed
