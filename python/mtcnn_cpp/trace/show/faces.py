"""The faces of two detections in one picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...detections import Detections
from ...drawing import GREEN, draw
from ...image import to_bgr8, to_pixels
from ...types import Color, ImageLike

BLUE = (255, 120, 40)  # B, G, R


def draw_both(image: ImageLike, a: Detections, b: Detections, color: Color = "bgr") -> NDArray[np.uint8]:
    """A copy of the picture, (H, W, 3) uint8 BGR: a's faces green, b's blue, a mixture where both are.

    image and color: as for `Detector.detect`, with the same errors.
    """
    plain = to_bgr8(to_pixels(image, color, warn=None))
    green, blue = draw(plain, a, line=GREEN), draw(plain, b, line=BLUE)
    in_green, in_blue = ((drawn != plain).any(axis=2, keepdims=True) for drawn in (green, blue))
    mixed = np.rint((green.astype(np.float32) + blue) / 2).astype(np.uint8)
    return np.where(in_green & in_blue, mixed, np.where(in_blue, blue, green))
