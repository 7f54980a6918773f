"""The detections of a report. They are shown as boxes of both traces in the image, and as enlarged faces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...detections.result import Detections
from ...media.annotation import GREEN, annotate
from ...media.image.opencv import encode_png
from ...media.image.pixels import to_pixels, to_uint8
from ...types import Color, ImageLike
from ..comparison.boxes import FacePair, final_detections, pair_boxes
from ..comparison.report import Report
from .sections import uri

BLUE = (255, 120, 40)  # B, G, R


def annotate_both(image: ImageLike, a: Detections, b: Detections, color: Color = "bgr") -> NDArray[np.uint8]:
    """Return a copy of the image, (H, W, 3) uint8 BGR, with the faces of a in green and b in blue.

    A pixel that is marked for both traces gets a mixture of the two colors. image, color: As for
    `Detector.detect`, with the same errors.
    """
    plain = to_uint8(to_pixels(image, color, warn=None))
    green, blue = annotate(plain, a, box_color=GREEN), annotate(plain, b, box_color=BLUE)
    in_green, in_blue = ((annotated != plain).any(axis=2, keepdims=True) for annotated in (green, blue))
    mixture = np.rint((green.astype(np.float32) + blue) / 2).astype(np.uint8)
    return np.where(in_green & in_blue, mixture, np.where(in_blue, blue, green))


SIDE = 1600  # maximum side of the image, in pixels
CROPS, CROP_SIDE = 24, 400  # maximum number of enlarged faces, and their maximum side in pixels
MARGIN = 0.15  # margin around a face, as a share of its larger side


@dataclass(frozen=True)
class Crop:
    """An enlarged face.

    address: The pixels, as a data URI. view: Left, top, width, height of the crop in the image. boxes: For
    each box, its trace (a or b), and x, y, width, height. points: For each landmark, its trace, x and y.
    """

    title: str
    address: str
    view: tuple[float, float, float, float]
    boxes: tuple[tuple[str, tuple[float, ...]], ...]
    points: tuple[tuple[str, float, float], ...]


@dataclass(frozen=True)
class DetectionsView:
    """The faces of both traces.

    image: The image as a data URI, or None if trace a has no image. left_out: Number of pairs of faces beyond
    the maximum number of crops.
    """

    a: Detections
    b: Detections
    pairs: list[FacePair]
    image: str | None
    height: int
    width: int
    crops: list[Crop]
    left_out: int


def detections(report: Report) -> DetectionsView | None:
    """Return the faces of both traces, or None if a trace does not contain the final boxes."""
    a, b = final_detections(report.a), final_detections(report.b)
    if a is None or b is None:
        return None
    pairs = pair_boxes(a.boxes, b.boxes)
    height, width = a.image_size
    image, crops = None, []
    if report.a.manifest.image is not None:
        pixels = report.a.image
        image = uri(shrunk(pixels, SIDE))
        views = (crop(pixels, a, b, pair) for pair in pairs[:CROPS])
        crops = [one for one in views if one is not None]
    return DetectionsView(a, b, pairs, image, height, width, crops, max(len(pairs) - CROPS, 0))


def crop(pixels: NDArray[Any], a: Detections, b: Detections, pair: FacePair) -> Crop | None:
    """Return the part of the image around a pair of faces, or None if this part is outside the image."""
    sides = [
        (name, one, index) for name, one, index in (("a", a, pair.a), ("b", b, pair.b)) if index is not None
    ]
    boxes = [(name, tuple(map(float, one.boxes[index]))) for name, one, index in sides]
    corners = np.array([[x, y, x + width, y + height] for _, (x, y, width, height) in boxes])
    if not np.isfinite(corners).all():
        return None
    left, top = corners[:, :2].min(axis=0)
    right, bottom = corners[:, 2:].max(axis=0)
    margin = MARGIN * max(right - left, bottom - top)
    height, width = pixels.shape[:2]
    x0, y0 = (int(max(np.floor(start - margin), 0)) for start in (left, top))
    x1, y1 = int(min(np.ceil(right + margin), width)), int(min(np.ceil(bottom + margin), height))
    if x1 <= x0 or y1 <= y0:
        return None
    points = tuple(
        (name, float(x), float(y)) for name, one, index in sides for x, y in one.landmarks[index].tolist()
    )
    title = " and ".join(f"{name}{index}" for name, _, index in sides)
    address = uri(shrunk(pixels[y0:y1, x0:x1], CROP_SIDE))
    return Crop(title, address, (x0, y0, x1 - x0, y1 - y0), tuple(boxes), points)


def shrunk(pixels: NDArray[Any], side: int) -> bytes:
    """Return a PNG that contains every n-th row and column.

    n is the smallest number with which neither side is longer than `side`.
    """
    step = -(-max(pixels.shape[:2]) // side)
    return encode_png(np.ascontiguousarray(np.rint(pixels[::step, ::step]).astype(np.uint8)))
