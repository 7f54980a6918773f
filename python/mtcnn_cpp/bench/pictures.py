"""The pictures that are measured where none are given."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..image import sample_image
from ..reference.resize import resize

Pixels = NDArray[np.uint8]


def covering(image: NDArray[Any], height: int, width: int) -> Pixels:
    """The picture enlarged or reduced until it covers height x width, cut at the right and the bottom."""
    scale = max(height / image.shape[0], width / image.shape[1])
    size = max(height, round(image.shape[0] * scale)), max(width, round(image.shape[1] * scale))
    resized = resize(image[:, :, :3].astype(np.float32), *size)
    return np.ascontiguousarray(np.rint(resized[:height, :width]).astype(np.uint8))


def default_pictures() -> dict[str, Pixels]:
    """The packaged sample, and 1920x1080 of its enlargement."""
    sample = sample_image()
    return {"sample": sample, "sample 1920x1080": covering(sample, 1080, 1920)}
