"""A small copy of a picture, for results that outlive it; made in notebooks, where results are looked at."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..image import Pixels, opencv, to_bgr8

SIDE = 320  # pixels along the longer side: at most 300 kB, and some 0.07 ms to make


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook. Imports nothing."""
    return "ipykernel" in sys.modules


def preview_of(pixels: Pixels) -> NDArray[np.uint8] | None:
    """The picture thinned out to at most `SIDE` pixels a side, (h, w, 3) uint8, B, G, R; None outside of
    notebooks and where OpenCV cannot be imported, since nothing is shown there."""
    if not in_notebook():
        return None
    try:
        cv2 = opencv("a preview")
    except ImportError:
        return None
    height, width = pixels.array.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    rows = pixels.array[:: max(1, height // (2 * size[1]))]  # a view that OpenCV has to copy becomes small
    thinned: NDArray[Any] = cv2.resize(rows, size, interpolation=cv2.INTER_NEAREST)
    return to_bgr8(Pixels(thinned, pixels.red_first))
