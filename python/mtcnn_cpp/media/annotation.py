"""Draws boxes, landmarks and labels on images with OpenCV, or hides the faces.

Line widths and text sizes are proportional to the image size. Coordinates are passed to OpenCV as fixed-point
numbers in sixteenths of a pixel.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Literal, Protocol, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from ..types import Color, FloatArray, ImageLike
from .face_hiding import HidingMethod, hide_faces
from .image.opencv import import_opencv
from .image.pixels import to_pixels, to_uint8

_Image: TypeAlias = NDArray[np.uint8]
PixelColor: TypeAlias = tuple[int, int, int]

GREEN: PixelColor = (96, 220, 40)  # BGR
WHITE: PixelColor = (255, 255, 255)
BLACK: PixelColor = (0, 0, 0)
SHADOW_OPACITY = 0.5
# Colors of faces by their number (BGR). All are bright, because the text of labels is black.
ID_COLORS: tuple[PixelColor, ...] = (
    (96, 220, 40),
    (40, 160, 255),
    (255, 190, 60),
    (200, 110, 255),
    (60, 235, 255),
    (255, 130, 130),
    (110, 110, 255),
    (220, 240, 90),
    (255, 120, 220),
    (120, 190, 215),
    (190, 250, 190),
    (205, 205, 205),
)
PARTS = ("boxes", "landmarks", "labels")
STYLES = ("blur", "pixelate", "none")  # instead of parts

_FRACTION_BITS = 4
_QUARTER_CIRCLE = np.stack([np.sin(angle := np.linspace(0, np.pi / 2, 7)), np.cos(angle)], axis=1)


class HasFaces(Protocol):
    """An object with face arrays, such as `Detections`.

    Attributes:
        boxes: (N, 4) float32 x, y, width, height in pixels.
        scores: (N,) float32 in [0, 1].
        landmarks: (N, 5, 2) float32 x, y in pixels.
    """

    @property
    def boxes(self) -> FloatArray: ...

    @property
    def scores(self) -> FloatArray: ...

    @property
    def landmarks(self) -> FloatArray: ...


def annotate(
    image: ImageLike,
    faces: HasFaces,
    *,
    color: Color = "bgr",
    show: str | Iterable[str] = PARTS,
    box_color: PixelColor | Literal["id"] | None = None,
    face_ids: Sequence[int] | None = None,
) -> NDArray[np.uint8]:
    """Return a copy of the image in which the faces are marked or hidden.

    By default, each face gets its box, its landmarks, and a label with its number and score. Coordinates that
    are not finite are not drawn.

    "blur" and "pixelate" make the faces unrecognisable: of each face, only the mean colors of blocks are
    kept. The side of a block is a quarter of the longer side of the box, at least 4 pixels. The hidden area
    is the box with a margin of half of its longer side, because a box ends at the eyebrows. A face that was
    not found stays visible.

    Args:
        image: Image in any form that `Detector.detect` accepts.
        faces: The faces, for example the result of `Detector.detect`.
        color: Channel order of the result. It is also the channel order of `image` if `image` is an array.
        show: What is drawn: one or more of "boxes", "landmarks" and "labels" (names, or one text with commas
            between them), or "blur", "pixelate" or "none" (the image does not change).
        box_color: Color of boxes and labels, one value from 0 to 255 per channel of the result. "id": one of
            12 colors, by the number of the face. None: green.
        face_ids: One number per face for the labels. None: the faces are counted from 0.

    Returns:
        The annotated image, (H, W, 3) uint8 in the channel order `color`.

    Raises:
        ImportError: OpenCV cannot be imported.
        ValueError: The length of `face_ids` differs from the number of faces, `show` has another value, or
            `Detector.detect` does not accept the image.
    """
    parts = parse_parts(show)
    count = len(faces.scores)
    if face_ids is not None and len(face_ids) != count:
        raise ValueError(f"face_ids must have one number for each of {count} faces, got {len(face_ids)}")
    numbers = range(count) if face_ids is None else face_ids
    colors = [_face_color(box_color, number, color) for number in numbers]
    pixels = to_uint8(to_pixels(image, color, warn=None), color)
    if parts[0] in STYLES:
        if parts[0] != "none":
            hide_faces(pixels, faces.boxes, cast(HidingMethod, parts[0]))
        return pixels
    canvas = _Canvas(import_opencv("drawing faces"), pixels, parts)
    for box, landmarks in zip(faces.boxes, faces.landmarks, strict=True):
        canvas.add_shadow(box, landmarks)
    canvas.blend_shadows()
    for index in reversed(range(count)):  # the face with the highest score is drawn last, over the others
        canvas.draw_face(faces.boxes[index], faces.landmarks[index], colors[index])
    if "labels" in parts:
        for index in reversed(range(count)):
            canvas.draw_label(
                f"{numbers[index]}  {faces.scores[index]:.5f}", faces.boxes[index], colors[index]
            )
    return canvas.image


def parse_parts(show: str | Iterable[str]) -> tuple[str, ...]:
    """Return what `show` of `annotate` contains: parts, or one of the styles "blur", "pixelate" and "none".

    Raises ValueError for another value.
    """
    parts = tuple(part.strip() for part in show.split(",")) if isinstance(show, str) else tuple(show)
    if len(parts) == 1 and parts[0] in STYLES:
        return parts
    if not parts or not set(parts) <= set(PARTS):
        raise ValueError(
            f"an annotation is {', '.join(PARTS)} (one or more of them, with commas between them), or "
            f"{', '.join(STYLES[:-1])} or {STYLES[-1]}; got {','.join(map(str, parts))!r}"
        )
    return parts


def _face_color(box_color: PixelColor | Literal["id"] | None, number: int, color: Color) -> PixelColor:
    if isinstance(box_color, tuple):
        return box_color
    found = ID_COLORS[number % len(ID_COLORS)] if box_color == "id" else GREEN
    return found[::-1] if color == "rgb" else found


class _Canvas:
    """An image (H, W, 3) uint8 to draw on.

    Add all shadows first, then call `blend_shadows`, and then draw all faces.
    """

    def __init__(self, cv2: ModuleType, image: _Image, parts: Sequence[str]) -> None:
        self._cv2 = cv2
        self.image = image
        self._parts = parts
        self._unit = max(1.0, max(image.shape[:2]) / 640)
        self._shadows: _Image | None = None  # a copy of the image with the shadows in black

    def add_shadow(self, box: FloatArray, landmarks: FloatArray) -> None:
        """Add a dark outline around the lines and dots that `draw_face` draws."""
        if self._shadows is None:
            self._shadows = self.image.copy()
        if "boxes" in self._parts:
            self._draw_box(self._shadows, box, self._thickness(box) + round(1.6 * self._unit), BLACK)
        for point in landmarks if "landmarks" in self._parts else ():
            self._draw_dot(self._shadows, point, self._radius(box) + 0.8 * self._unit, BLACK)

    def blend_shadows(self) -> None:
        if self._shadows is not None:
            self._cv2.addWeighted(
                self._shadows, SHADOW_OPACITY, self.image, 1 - SHADOW_OPACITY, 0, dst=self.image
            )

    def draw_face(self, box: FloatArray, landmarks: FloatArray, color: PixelColor) -> None:
        if "boxes" in self._parts:
            self._draw_box(self.image, box, self._thickness(box), color)
        for point in landmarks if "landmarks" in self._parts else ():
            self._draw_dot(self.image, point, self._radius(box), WHITE)

    def draw_label(self, text: str, box: FloatArray, fill: PixelColor) -> None:
        """Draw black text on a filled rectangle above the upper left corner of the box.

        If necessary, the rectangle is moved so that it lies inside the image.
        """
        if not np.isfinite(box).all():
            return
        cv2, (rows, columns) = self._cv2, self.image.shape[:2]
        text_height = round(max(8.0, min(9 * self._unit, float(box[2]) / 7)))
        thickness = max(1, round(text_height / 8))
        scale = cv2.getFontScaleFromHeight(cv2.FONT_HERSHEY_SIMPLEX, text_height, 1)
        width = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)[0][0]
        pad = max(2, round(text_height / 3.5))
        half = self._thickness(box) / 2
        left = round(max(0.0, min(float(box[0]) - half, columns - width - 2 * pad)))
        above = float(box[1]) - half - text_height - 2 * pad - text_height / 6
        top = round(max(0.0, min(above, rows - text_height - 2 * pad)))
        corners = _rounded_rectangle(
            left, top, left + width + 2 * pad - 1, top + text_height + 2 * pad - 1, pad
        )
        cv2.fillPoly(self.image, [_to_fixed_point(corners)], fill, cv2.LINE_AA, _FRACTION_BITS)
        place = (left + pad, top + pad + text_height)
        font = cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(self.image, text, place, font, scale, BLACK, thickness, cv2.LINE_AA)

    def _thickness(self, box: FloatArray) -> int:
        return round(max(1.0, min(1.7 * self._unit, float(box[2]) / 40))) if np.isfinite(box[2]) else 1

    def _radius(self, box: FloatArray) -> float:
        width = float(box[2]) if np.isfinite(box[2]) else 0.0
        radius: float = max(1.4 * self._unit, min(2.4 * self._unit, width / 45))
        return radius

    def _draw_box(self, image: _Image, box: FloatArray, thickness: int, color: PixelColor) -> None:
        if not np.isfinite(box).all():
            return
        limit = 4 * max(image.shape[:2])  # outside the image, but OpenCV's numbers stay below 2^31
        x, y, width, height = (float(value) for value in box)
        left, right = np.clip((x, x + width), -limit, limit).tolist()
        top, bottom = np.clip((y, y + height), -limit, limit).tolist()
        radius = max(0.0, min(4 * self._unit, (right - left) / 4, (bottom - top) / 4))
        corners = _to_fixed_point(_rounded_rectangle(left, top, right, bottom, radius))
        self._cv2.polylines(image, [corners], True, color, thickness, self._cv2.LINE_AA, _FRACTION_BITS)

    def _draw_dot(self, image: _Image, point: FloatArray, radius: float, color: PixelColor) -> None:
        limit = 4 * max(image.shape[:2])
        if not (np.isfinite(point).all() and (np.abs(point) < limit).all()):
            return
        x, y = _to_fixed_point(point).tolist()
        size = round(radius * 2**_FRACTION_BITS)
        cv2 = self._cv2
        cv2.circle(image, (x, y), size, color, cv2.FILLED, cv2.LINE_AA, _FRACTION_BITS)


def _rounded_rectangle(
    left: float, top: float, right: float, bottom: float, radius: float
) -> NDArray[np.float64]:
    """Return the points of a rectangle with rounded corners, (28, 2) x, y in pixels.

    The order is clockwise from the top right corner.
    """
    arc = radius * _QUARTER_CIRCLE  # from (0, 1) to (1, 0), y up
    first, last = (left + radius, top + radius), (right - radius, bottom - radius)
    return np.concatenate(
        [
            (last[0], first[1]) + arc * (1, -1),
            last + arc[::-1],
            (first[0], last[1]) + arc * (-1, 1),
            first - arc[::-1],
        ]
    )


def _to_fixed_point(points: NDArray[np.floating]) -> NDArray[np.int32]:
    fixed: NDArray[np.int32] = np.rint(points.astype(np.float64) * 2**_FRACTION_BITS).astype(np.int32)
    return fixed
