"""Makes faces in images unrecognisable, by blurring or by pixelating them."""

from __future__ import annotations

import math
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..types import FloatArray
from .image.opencv import import_opencv

HidingMethod: TypeAlias = Literal["blur", "pixelate"]

# The margin on each side, as a share of the longer side of the box. A box of OpenFace ends at the eyebrows,
# and a head can be tilted in every direction.
MARGIN = 0.5
BLOCKS_PER_FACE = 4  # blocks along the longer side of the box; from 6 on, the detector finds some faces again
MIN_BLOCK = 4  # pixels


def hide_faces(image: NDArray[np.uint8], boxes: FloatArray, method: HidingMethod) -> None:
    """Hide the faces in an image (H, W, 3) uint8, in place. `boxes` are (N, 4) x, y, width, height in pixels.

    The area of a face is its box with a margin of half of its longer side. It is divided into blocks. The
    side of a block is about a quarter of the longer side of the box, at least 4 pixels. Only the mean color
    of each block is kept: "pixelate" fills the blocks with it, "blur" interpolates between the centers of the
    blocks. A box that is not finite has an unknown place, so the whole image is hidden.

    Smaller faces are hidden first. A larger face that covers them is then hidden with its larger blocks.
    """
    cv2 = import_opencv("hiding faces")
    sides = np.abs(boxes[:, 2:].astype(np.float64)).max(axis=1, initial=0.0)
    for index in np.argsort(sides, kind="stable"):  # NaN is last
        _hide_area(cv2, image, boxes[index].astype(np.float64), method)


def _hide_area(cv2: Any, image: NDArray[np.uint8], box: NDArray[np.float64], method: HidingMethod) -> None:
    rows, columns = image.shape[:2]
    if np.isfinite(box).all():
        x, y, width, height = box.tolist()
        side = max(abs(width), abs(height), 1.0)
        margin = MARGIN * side
        left, right = _limits(min(x, x + width) - margin, max(x, x + width) + margin, columns)
        top, bottom = _limits(min(y, y + height) - margin, max(y, y + height) + margin, rows)
    else:
        side = float(max(rows, columns))
        left, top, right, bottom = 0, 0, columns, rows
    area = image[top:bottom, left:right]
    if not area.size:
        return  # outside of the image
    block = max(side / BLOCKS_PER_FACE, MIN_BLOCK)
    counts = [max(1, round(length / block)) for length in (right - left, bottom - top)]
    means = cv2.resize(area, counts, interpolation=cv2.INTER_AREA)
    size = right - left, bottom - top
    if method == "pixelate":
        area[:] = cv2.resize(means, size, interpolation=cv2.INTER_NEAREST)
    else:
        area[:] = cv2.resize(means, size, interpolation=cv2.INTER_LINEAR)


def _limits(first: float, last: float, length: int) -> tuple[int, int]:
    """Return the pixels of an interval inside of the image, as a slice."""
    return math.floor(min(max(first, 0), length)), math.ceil(max(min(last, length), 0))
