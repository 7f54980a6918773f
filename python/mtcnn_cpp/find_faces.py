"""The faces of one picture: an engine's detection as `Detections`."""

from __future__ import annotations

import os
import weakref
from pathlib import Path
from typing import Any

import numpy as np

from .backends.engine import Engine
from .detections import Detections
from .image import Warn, is_pil, to_pixels, warn_caller
from .notebook import preview_of
from .types import Color, ImageLike, Stop, Tap


def find_faces(
    engine: Engine,
    image: ImageLike,
    *,
    color: Color = "bgr",
    tap: Tap | None = None,
    threads: int | None = None,
    stop: Stop | None = None,
    warn: Warn = warn_caller,
    file: str = "",
) -> Detections:
    """What `Detector.detect` gives. tap, threads, stop: as for `Engine.run`; raises what it raises, and what
    `to_pixels` raises. warn, file: as for `to_pixels`."""
    pixels = to_pixels(image, color, warn=warn, file=file)
    faces = engine.run(pixels, tap, threads=threads, stop=stop)
    height, width = pixels.array.shape[:2]
    picture = _reference_to(image)
    preview = None if isinstance(picture, Path) else preview_of(pixels)
    return Detections(*faces, (height, width), picture=picture, color=color, preview=preview)


def _reference_to(image: object) -> Path | weakref.ref[Any] | None:
    """What finds the picture again without keeping it alive."""
    if isinstance(image, (str, os.PathLike)):
        return Path(os.path.abspath(image))
    return weakref.ref(image) if isinstance(image, np.ndarray) or is_pil(image) else None
