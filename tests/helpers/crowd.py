"""An image with several faces, some at the border, so that no list of a trace is empty."""

from __future__ import annotations

import functools

import cv2
import numpy as np
from images import portrait


@functools.cache
def crowd() -> np.ndarray:
    """(176, 250, 3) uint8 BGR, read-only: the portrait in three smaller sizes, one mirrored."""
    large, middle, small = (
        cv2.resize(portrait(), None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
        for share in (0.75, 0.55, 0.4)
    )
    image = np.full((176, 250, 3), 90, np.uint8)
    image[: len(large), : large.shape[1] - 30] = large[:, 30:]
    image[: len(middle) - 14, 110 : 110 + middle.shape[1]] = middle[14:, ::-1]
    image[90 : 90 + len(small), 180 : 180 + small.shape[1]] = small
    image.flags.writeable = False
    return image
