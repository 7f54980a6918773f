"""A frame of a video, and the faces in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .detections import Detections


@dataclass(frozen=True, eq=False)
class DetectedFrame:
    """index: the frame in its video, from 0. time: seconds from the first frame. faces: what was found.
    image: the frame, (H, W, 3) uint8 in the order B, G, R."""

    index: int
    time: float
    faces: Detections
    image: NDArray[np.uint8]
