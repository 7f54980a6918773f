"""The picture that comes with the package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .. import png

SAMPLE = Path(__file__).parents[1] / "sample" / "astronaut.png"


def sample_image() -> NDArray[np.uint8]:
    """The picture that comes with the package: a portrait by NASA, (512, 512, 3) uint8 in the order B, G,
    R."""
    return png.decode(SAMPLE.read_bytes())
