"""The detections of a report: the picture with both sides' boxes, and each face enlarged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import png
from ...detections import Detections
from ..judge.faces import Pair, faces_of, pair_up
from ..judge.report import Report
from .sections import uri

SIDE = 1600  # pixels that the picture has at most along a side
CROPS, CROP_SIDE = 24, 400  # faces that are shown enlarged; pixels along a side of such a crop
MARGIN = 0.15  # of a face's larger side, around it


@dataclass(frozen=True)
class Crop:
    """A face enlarged: `view` is left, top, width, height in the picture; `boxes` has the side (a or b) and
    x, y, width, height of each; `points` side, x, y."""

    title: str
    address: str
    view: tuple[float, float, float, float]
    boxes: tuple[tuple[str, tuple[float, ...]], ...]
    points: tuple[tuple[str, float, float], ...]


@dataclass(frozen=True)
class Both:
    """The faces of both sides. `picture` is None where a trace has none; `left_out`: faces without a crop."""

    a: Detections
    b: Detections
    pairs: list[Pair]
    picture: str | None
    height: int
    width: int
    crops: list[Crop]
    left_out: int


def detections(report: Report) -> Both | None:
    """None where a trace lacks the final boxes."""
    a, b = faces_of(report.a), faces_of(report.b)
    if a is None or b is None:
        return None
    pairs = pair_up(a.boxes, b.boxes)
    height, width = a.image_size
    picture, crops = None, []
    if report.a.manifest.picture is not None:
        pixels = report.a.picture
        picture = uri(shrunk(pixels, SIDE))
        made = (crop(pixels, a, b, pair) for pair in pairs[:CROPS])
        crops = [one for one in made if one is not None]
    return Both(a, b, pairs, picture, height, width, crops, max(len(pairs) - CROPS, 0))


def crop(pixels: NDArray[Any], a: Detections, b: Detections, pair: Pair) -> Crop | None:
    """The part of the picture around a pair; None where it lies outside."""
    sides = [
        (name, one, index) for name, one, index in (("a", a, pair.a), ("b", b, pair.b)) if index is not None
    ]
    boxes = [(name, tuple(map(float, one.boxes[index]))) for name, one, index in sides]
    corners = np.array([[x, y, x + width, y + height] for _, (x, y, width, height) in boxes])
    if not np.isfinite(corners).all():
        return None
    left, top = corners[:, :2].min(axis=0)
    right, bottom = corners[:, 2:].max(axis=0)
    around = MARGIN * max(right - left, bottom - top)
    height, width = pixels.shape[:2]
    x0, y0 = (int(max(np.floor(start - around), 0)) for start in (left, top))
    x1, y1 = int(min(np.ceil(right + around), width)), int(min(np.ceil(bottom + around), height))
    if x1 <= x0 or y1 <= y0:
        return None
    points = tuple(
        (name, float(x), float(y)) for name, one, index in sides for x, y in one.landmarks[index].tolist()
    )
    title = " and ".join(f"{name}{index}" for name, _, index in sides)
    address = uri(shrunk(pixels[y0:y1, x0:x1], CROP_SIDE))
    return Crop(title, address, (x0, y0, x1 - x0, y1 - y0), tuple(boxes), points)


def shrunk(pixels: NDArray[Any], side: int) -> bytes:
    """A PNG of every n-th pixel, so that no side is longer than `side`."""
    step = -(-max(pixels.shape[:2]) // side)
    return png.encode(np.ascontiguousarray(np.rint(pixels[::step, ::step]).astype(np.uint8)))
