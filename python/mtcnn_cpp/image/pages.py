"""Every picture of a file that may hold several: animations (GIF, PNG, WebP) and pages (TIFF)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .apng import is_animated_png
from .frame import Frame
from .opencv import opencv, quiet
from .read import WEBP_ANIMATION, cannot_decode, check_whole, decode_image, has_webp_flag, needs_newer

CHUNK = 32  # pictures that are decoded at a time, so that memory stays flat
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def decode_frames(data: bytes, name: str) -> Iterator[Frame]:
    """The pictures in the content of an image file, in order; one frame at time 0 where there is only one.

    The frames of an animation have the times at which they appear, pages have none (NaN). `name` is what
    errors call the file. Raises, while frames are taken, what `decode_image` raises.
    """
    check_whole(data, name)
    if data.startswith(_TIFF):
        return _pages(data, name)
    if data.startswith(b"GIF") or data[8:12] == b"WEBP" or is_animated_png(data):
        return _animation(data, name)
    return iter([Frame(0, 0.0, decode_image(data, name))])


def _pages(data: bytes, name: str) -> Iterator[Frame]:
    cv2 = opencv(f"reading the image file {name}")
    buffer, flags = np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
    first = decode_image(data, name)
    index = 0
    while True:
        try:
            with quiet(cv2):
                found, pages = cv2.imdecodemulti(buffer, flags, range=(index, index + CHUNK))
        except cv2.error as error:
            raise cannot_decode(name, error) from error
        if index == 0 and len(pages) < 2:
            yield Frame(0, 0.0, first)
            return
        for page in pages if found else ():
            yield Frame(index, float("nan"), page)
            index += 1
        if not found or len(pages) < CHUNK:
            return


def _animation(data: bytes, name: str) -> Iterator[Frame]:
    cv2 = opencv(f"reading the image file {name}")
    if not hasattr(cv2, "imdecodeanimation"):
        if data.startswith(b"RIFF") and not has_webp_flag(data, WEBP_ANIMATION):
            yield Frame(0, 0.0, decode_image(data, name))
            return
        raise needs_newer(cv2, name, "animations")
    buffer = np.frombuffer(data, np.uint8)
    first = decode_image(data, name)
    index = milliseconds = 0
    while True:
        try:
            with quiet(cv2):
                found, part = cv2.imdecodeanimation(buffer, start=index, count=CHUNK)
        except cv2.error as error:
            raise cannot_decode(name, error) from error
        frames: list[Any] = list(part.frames) if found else []
        if index == 0 and len(frames) < 2:
            yield Frame(0, 0.0, first)
            return
        for picture, shown in zip(frames, part.durations, strict=False):
            yield Frame(index, milliseconds / 1000, np.ascontiguousarray(picture[..., :3]))
            index += 1
            milliseconds += max(int(shown), 0)
        if len(frames) < CHUNK:
            return
