"""Faces drawn into their picture, as a PNG file; words below it where there is something to say."""

from __future__ import annotations

import contextlib
import math
import weakref
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ..drawing import Drawable, draw
from ..image import opencv, to_bgr8, to_pixels
from ..types import Color, FloatArray

LARGEST = 1600  # pixels along the longer side of what is shown
ENLARGED = 640  # of a preview
GREY = 64
NO_FACES = "0 faces"
NO_PICTURE = "these results have no picture with them"
FILE_GONE = "the picture's file is gone, or holds another one now"
PICTURE_GONE = "the picture is gone: keep it in a variable to see it here"
PICTURE_CHANGED = "the picture has another size now"
SMALL_COPY = "a small copy: keep the picture in a variable to see it whole"


class Found(Drawable, Protocol):
    """What is shown: `Detections`."""

    @property
    def image_size(self) -> tuple[int, int]: ...
    @property
    def picture(self) -> Path | weakref.ref[Any] | None: ...
    @property
    def preview(self) -> NDArray[np.uint8] | None: ...
    @property
    def color(self) -> Color: ...


class _Scaled(NamedTuple):
    boxes: FloatArray
    scores: FloatArray
    landmarks: FloatArray


def faces_png(faces: Found) -> bytes | None:
    """The faces drawn into the picture, thinned out to at most 1600 pixels a side; where the picture is gone,
    into its preview, or else on grey; a line below says so. None where OpenCV cannot be imported."""
    try:
        cv2 = opencv("drawing faces")
    except ImportError:
        return None
    picture, words = _canvas(cv2, faces)
    scale = np.asarray(picture.shape[1::-1], np.float64) / faces.image_size[::-1]
    boxes = (faces.boxes * np.tile(scale, 2)).astype(np.float32)
    landmarks = (faces.landmarks * scale).astype(np.float32)
    shown = draw(picture, _Scaled(boxes, faces.scores, landmarks))
    lines = [line for line in (NO_FACES if len(faces.scores) == 0 else "", words) if line]
    if lines:
        shown = _captioned(cv2, shown, "; ".join(lines))
    png: bytes = cv2.imencode(".png", shown)[1].tobytes()
    return png


def _canvas(cv2: ModuleType, faces: Found) -> tuple[NDArray[np.uint8], str]:
    """What is drawn on, (h, w, 3) uint8, B, G, R, and what there is to say about it."""
    pixels, words = _picture(faces)
    step = math.ceil(max(faces.image_size) / LARGEST)
    if pixels is not None:
        return pixels[::step, ::step], ""
    if faces.preview is not None:
        height, width = faces.preview.shape[:2]
        factor = max(1.0, min(ENLARGED, max(faces.image_size)) / max(height, width))
        size = round(width * factor), round(height * factor)
        whole = (height, width) == faces.image_size
        return cv2.resize(faces.preview, size, interpolation=cv2.INTER_LINEAR), "" if whole else SMALL_COPY
    grey = np.full((*faces.image_size, 3), GREY, np.uint8)[::step, ::step]
    return grey, words


def _picture(faces: Found) -> tuple[NDArray[np.uint8] | None, str]:
    """The picture, (H, W, 3) uint8, B, G, R; or None, and why."""
    if faces.picture is None:
        return None, NO_PICTURE
    from_file = not isinstance(faces.picture, weakref.ref)
    source = faces.picture if from_file else faces.picture()  # type: ignore[operator]
    if source is None:
        return None, PICTURE_GONE
    with contextlib.suppress(OSError, ValueError, ImportError):
        pixels = to_bgr8(to_pixels(source, faces.color, warn=None))
        if pixels.shape[:2] == faces.image_size:
            return pixels, ""
    return None, FILE_GONE if from_file else PICTURE_CHANGED


def _captioned(cv2: ModuleType, picture: NDArray[np.uint8], text: str) -> NDArray[np.uint8]:
    """The picture with a strip of text below, made wider where the text needs it."""
    font, scale, pad = cv2.FONT_HERSHEY_SIMPLEX, 0.45, 8
    (width, height), below = cv2.getTextSize(text, font, scale, 1)
    columns = max(picture.shape[1], width + 2 * pad)
    result = np.full((picture.shape[0] + height + below + 2 * pad, columns, 3), 32, np.uint8)
    result[: picture.shape[0], : picture.shape[1]] = picture
    place = (pad, picture.shape[0] + pad + height)
    cv2.putText(result, text, place, font, scale, (235, 235, 235), 1, cv2.LINE_AA)
    return result
