"""A picture with several faces, some of them at its border, for traces with something in every list."""

from __future__ import annotations

import functools

import cv2
import numpy as np
from pictures import portrait


@functools.cache
def crowd() -> np.ndarray:
    """(176, 250, 3) uint8 BGR, read-only: the portrait three times, smaller, once mirrored."""
    large, middle, small = (
        cv2.resize(portrait(), None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
        for share in (0.75, 0.55, 0.4)
    )
    picture = np.full((176, 250, 3), 90, np.uint8)
    picture[: len(large), : large.shape[1] - 30] = large[:, 30:]
    picture[: len(middle) - 14, 110 : 110 + middle.shape[1]] = middle[14:, ::-1]
    picture[90 : 90 + len(small), 180 : 180 + small.shape[1]] = small
    picture.flags.writeable = False
    return picture
