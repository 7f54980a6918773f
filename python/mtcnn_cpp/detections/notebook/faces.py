"""Displays faces in notebooks, as an annotated PNG image with an optional note below the image."""

from __future__ import annotations

import contextlib
import math
import sys
import weakref
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ...media.annotation import HasFaces, annotate
from ...media.image.opencv import import_opencv
from ...media.image.pixels import Pixels, to_pixels, to_uint8
from ...types import Color, FloatArray

MAX_SIDE = 1600  # pixels along the longer side of the displayed image
ENLARGED_SIDE = 640  # pixels along the longer side of an enlarged preview
PREVIEW_SIDE = 320  # pixels along the longer side of a preview (at most 300 kB, created in about 0.07 ms)
GRAY = 64
NO_FACES = "0 faces"
NO_IMAGE = "these results have no image"
FILE_GONE = "the image file was removed or changed"
IMAGE_GONE = "the image no longer exists: keep it in a variable to see it here"
IMAGE_CHANGED = "the size of the image has changed"
SMALL_COPY = "a small copy: keep the image in a variable to see it in full size"
SMALL_COPY_OF_FILE = "a small copy: detect in a path or an array to see it in full size"


class DisplayedFaces(HasFaces, Protocol):
    """The attributes of `Detections` that this module uses to display faces."""

    @property
    def image_size(self) -> tuple[int, int]: ...
    @property
    def image(self) -> Path | weakref.ref[Any] | None: ...
    @property
    def preview(self) -> NDArray[np.uint8] | None: ...
    @property
    def color(self) -> Color: ...


class _ScaledFaces(NamedTuple):
    boxes: FloatArray
    scores: FloatArray
    landmarks: FloatArray


def faces_png(faces: DisplayedFaces) -> bytes | None:
    """Return the annotated image as a PNG file. Return None if OpenCV cannot be imported.

    The image is reduced to at most 1600 pixels along its longer side. If the image no longer exists, its
    preview or a gray image is annotated instead. A line below this image states the reason.
    """
    try:
        cv2 = import_opencv("drawing faces")
    except ImportError:
        return None
    canvas, note = _make_canvas(cv2, faces)
    scale = np.asarray(canvas.shape[1::-1], np.float64) / faces.image_size[::-1]
    boxes = (faces.boxes * np.tile(scale, 2)).astype(np.float32)
    landmarks = (faces.landmarks * scale).astype(np.float32)
    shown = annotate(canvas, _ScaledFaces(boxes, faces.scores, landmarks))
    lines = [line for line in (NO_FACES if len(faces.scores) == 0 else "", note) if line]
    if lines:
        shown = _add_caption(cv2, shown, "; ".join(lines))
    png: bytes = cv2.imencode(".png", shown)[1].tobytes()
    return png


def _make_canvas(cv2: ModuleType, faces: DisplayedFaces) -> tuple[NDArray[np.uint8], str]:
    """Return the image to annotate, (h, w, 3) uint8 BGR, and a note for the caption of the image."""
    pixels, note = _load_image(faces)
    step = math.ceil(max(faces.image_size) / MAX_SIDE)
    if pixels is not None:
        return pixels[::step, ::step], ""
    if faces.preview is not None:
        height, width = faces.preview.shape[:2]
        factor = max(1.0, min(ENLARGED_SIDE, max(faces.image_size)) / max(height, width))
        size = round(width * factor), round(height * factor)
        is_complete = (height, width) == faces.image_size
        enlarged = cv2.resize(faces.preview, size, interpolation=cv2.INTER_LINEAR)
        return enlarged, "" if is_complete else SMALL_COPY_OF_FILE if faces.image is None else SMALL_COPY
    return np.full((*faces.image_size, 3), GRAY, np.uint8)[::step, ::step], note


def _load_image(faces: DisplayedFaces) -> tuple[NDArray[np.uint8] | None, str]:
    """Return the image (H, W, 3) uint8 BGR and an empty text.

    If there is no image, return None and the reason.
    """
    if faces.image is None:
        return None, NO_IMAGE
    from_file = not isinstance(faces.image, weakref.ref)
    source = faces.image if from_file else faces.image()  # type: ignore[operator]
    if source is None:
        return None, IMAGE_GONE
    with contextlib.suppress(OSError, ValueError, ImportError):
        pixels = to_uint8(to_pixels(source, faces.color, warn=None))
        if pixels.shape[:2] == faces.image_size:
            return pixels, ""
    return None, FILE_GONE if from_file else IMAGE_CHANGED


def _add_caption(cv2: ModuleType, image: NDArray[np.uint8], text: str) -> NDArray[np.uint8]:
    """Return the image with a line of text below it. If the text is wider, the image becomes wider, too."""
    font, scale, pad = cv2.FONT_HERSHEY_SIMPLEX, 0.45, 8
    (width, height), below = cv2.getTextSize(text, font, scale, 1)
    columns = max(image.shape[1], width + 2 * pad)
    result = np.full((image.shape[0] + height + below + 2 * pad, columns, 3), 32, np.uint8)
    result[: image.shape[0], : image.shape[1]] = image
    place = (pad, image.shape[0] + pad + height)
    cv2.putText(result, text, place, font, scale, (235, 235, 235), 1, cv2.LINE_AA)
    return result


def in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook. This function imports nothing."""
    return "ipykernel" in sys.modules


def make_preview(pixels: Pixels) -> NDArray[np.uint8] | None:
    """Return a copy of the image for display.

    Return None if this process is not a notebook, or if OpenCV cannot be imported.

    Returns:
        (h, w, 3) uint8 BGR, at most `PREVIEW_SIDE` pixels along its longer side.
    """
    if not in_notebook():
        return None
    try:
        cv2 = import_opencv("a preview")
    except ImportError:
        return None
    height, width = pixels.array.shape[:2]
    scale = min(1.0, PREVIEW_SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    rows = pixels.array[:: max(1, height // (2 * size[1]))]  # fewer rows first, because OpenCV copies a view
    reduced: NDArray[Any] = cv2.resize(rows, size, interpolation=cv2.INTER_NEAREST)
    return to_uint8(Pixels(reduced, pixels.is_rgb))
