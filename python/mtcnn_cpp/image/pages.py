"""Every image of a file that may hold several: animations (GIF, PNG, WebP, AVIF), pages (TIFF, HEIC, MPO)."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from . import jpeg, tiff
from .animation import announced_frames, is_animated_png, is_animated_webp
from .boxes import has_movie, is_avif, is_heif
from .frame import Frame
from .heif import decode_heif
from .opencv import opencv, quiet
from .read import cannot_decode, check_whole, decode_image, in_full_range, needs_newer

CHUNK = 32  # pictures that are decoded at a time, so that memory stays flat
_GAP = rb"(?:\s|#[^\n]*\n)+"
_PNM = re.compile(
    rb"P(?:(4)|([56]))" + _GAP + rb"(\d{1,9})" + _GAP + rb"(\d{1,9})(?(2)" + _GAP + rb"(\d{1,5}))\s"
)
_NO_TIME = float("nan")


def decode_frames(data: bytes, name: str) -> Iterator[Frame]:
    """The pictures in the content of an image file, in order; one frame at time 0 where there is only one.

    The frames of an animation have the times at which they appear, pages have none (NaN). `name` is what
    errors call the file. Raises, while frames are taken, what `decode_image` raises; ValueError behind the
    frames that could be read if the file announces more.
    """
    check_whole(data, name)
    if data.startswith(tiff.SIGNATURES):
        return _pages(data, name)
    if is_heif(data):
        return _numbered(decode_heif(data, name))
    if data.startswith(b"\xff\xd8"):
        return _jpegs(data, name)
    if (
        data.startswith(b"GIF")
        or is_animated_webp(data)
        or is_animated_png(data)
        or (is_avif(data) and has_movie(data))
    ):
        return _animation(data, name)
    if _is_joined_pnm(data):
        raise ValueError(
            f"{name} holds several PNM images one after the other; split it into a file for each"
        )
    return iter([Frame(0, 0.0, decode_image(data, name))])


def _is_joined_pnm(data: bytes) -> bool:
    """Whether another image follows the first one of a binary PBM, PGM or PPM file."""
    header = _PNM.match(data)
    if header is None:
        return False
    kind, width, height, largest = header[1] or header[2], int(header[3]), int(header[4]), int(header[5] or 1)
    row = (width + 7) // 8 if kind == b"4" else width * (3 if kind == b"6" else 1) * (1 + (largest > 255))
    return data[header.end() + row * height :].lstrip()[:2] in (b"P4", b"P5", b"P6")


def _numbered(images: Iterator[Any]) -> Iterator[Frame]:
    first, second = next(images), next(images, None)
    if second is None:
        yield Frame(0, 0.0, first)
        return
    for index, pixels in enumerate(itertools.chain((first, second), images)):
        yield Frame(index, _NO_TIME, pixels)


def _jpegs(data: bytes, name: str) -> Iterator[Frame]:
    places, missing = jpeg.images(data)
    for index, (start, end) in enumerate(places):
        part = data if len(places) == 1 else data[start:end]
        yield Frame(index, _NO_TIME if len(places) > 1 else 0.0, decode_image(part, name))
    if missing:
        raise ValueError(f"{name} is truncated: {missing} of its {len(places) + missing} images are missing")


def _pages(data: bytes, name: str) -> Iterator[Frame]:
    cv2 = opencv(f"reading the image file {name}")
    buffer, flags = np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
    first = decode_image(data, name)
    try:
        count = tiff.count_pages(data)
    except tiff.TiffError as error:
        raise ValueError(f"{name} is truncated or damaged: {error}") from error
    if count == 1:
        yield Frame(0, 0.0, first)
        return
    index = 0
    while index < count:
        try:
            with quiet(cv2):
                found, pages = cv2.imdecodemulti(buffer, flags, range=(index, min(index + CHUNK, count)))
        except cv2.error as error:
            raise cannot_decode(name, error) from error
        for page in pages if found else ():
            yield Frame(index, _NO_TIME, page)
            index += 1
        if index < count and (not found or index % CHUNK):
            raise ValueError(f"{name}: image {index + 1} of {count} in this file cannot be decoded")


def _animation(data: bytes, name: str) -> Iterator[Frame]:
    cv2 = opencv(f"reading the image file {name}")
    if not hasattr(cv2, "imdecodeanimation"):
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
            index = 1
            break
        for picture, shown in zip(frames, part.durations, strict=False):
            yield Frame(
                index, milliseconds / 1000, in_full_range(np.ascontiguousarray(picture[..., :3]), data)
            )
            index += 1
            milliseconds += max(int(shown), 0)
        if len(frames) < CHUNK:
            break
    if index < (count := announced_frames(data)):
        raise ValueError(f"{name}: image {index + 1} of {count} in this file cannot be decoded")
