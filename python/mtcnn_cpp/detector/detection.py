"""Checks the arguments of a detector, and detects faces in one image."""

from __future__ import annotations

import contextlib
import operator
import os
import weakref
from pathlib import Path
from typing import Any, SupportsIndex

from .._util.cpus import MAX_THREADS, default_threads
from ..backends.engine import Engine
from ..detections.notebook.faces import make_preview
from ..detections.result import Detections
from ..media.image.pixels import Warn, to_pixels, warn_caller
from ..media.image.read import is_content
from ..model import Model
from ..reference.types import CancellationSource
from ..types import Color, Hook, ImageLike


def resolve_threads(threads: int | None) -> int:
    """Return the number of threads. None becomes the default number."""
    return min(default_threads(), MAX_THREADS) if threads is None else threads


def check_memory_limit(limit: SupportsIndex | None) -> int | None:
    if limit is None:
        return None
    try:
        count = operator.index(limit)
    except TypeError:
        raise TypeError(
            f"memory_limit must be an integer or None, got {limit!r} ({type(limit).__name__})"
        ) from None
    if not 1 <= count < 1 << 63:
        raise ValueError(
            f"memory_limit must be a number of bytes of at least 1, or None for the free memory, got {count}"
        )
    return count


def load_model(model: Model | str | os.PathLike[str] | None) -> Model:
    if model is None:
        return Model.default()
    if isinstance(model, Model):
        return model
    if isinstance(model, (str, os.PathLike)):
        return Model.load(Path(model))
    raise TypeError(f"model must be a Model, the path of a model, or None, got {type(model).__name__}")


def find_faces(
    engine: Engine,
    image: ImageLike,
    *,
    color: Color = "bgr",
    hook: Hook | None = None,
    threads: int | None = None,
    cancellation: CancellationSource | None = None,
    warn: Warn = warn_caller,
    file: str = "",
) -> Detections:
    """Detect the faces in one image. For the arguments and errors, see `to_pixels` and `Engine.run`."""
    pixels = to_pixels(image, color, warn=warn, file=file)
    faces = engine.run(pixels, hook, threads=threads, cancellation=cancellation)
    height, width = pixels.array.shape[:2]
    source = _reference_to(image)
    preview = None if isinstance(source, Path) else make_preview(pixels)
    return Detections(*faces, (height, width), image=source, color=color, preview=preview)


def _reference_to(image: object) -> Path | weakref.ref[Any] | None:
    """Return a path or a weak reference, so that the result does not keep the image in memory."""
    if isinstance(image, (str, os.PathLike)):
        return Path(os.path.abspath(image))
    if is_content(image):  # an open file is now at its end
        return None
    with contextlib.suppress(TypeError):  # an array of a library without weak references
        return weakref.ref(image)
    return None
