"""Decodes all images of a file.

The images are the frames of an animation (GIF, PNG, WebP, AVIF) or the pages of a file (TIFF, HEIC, MPO).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import jpeg
from .formats import TIFF_SIGNATURES, has_movie_box, is_avif, is_heif
from .opencv import import_opencv, silenced_opencv
from .read import check_content, decode_heif, decode_image, decoding_error, newer_opencv_error, to_full_range
from .structure import TiffError, count_frames, count_tiff_pages, is_animated_png, is_animated_webp

CHUNK = 32  # maximum number of images per decoding call, which limits the memory
_GAP = rb"(?:\s|#[^\n]*\n)+"
_PNM = re.compile(
    rb"P(?:(4)|([56]))" + _GAP + rb"(\d{1,9})" + _GAP + rb"(\d{1,9})(?(2)" + _GAP + rb"(\d{1,5}))\s"
)
_NO_TIME = float("nan")


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a video, or one image of a file with several images.

    Attributes:
        index: Position in the source, from 0.
        time: Seconds from the start of the source. NaN for the pages of a TIFF, HEIC or MPO file, because
            pages have no time.
        image: Pixels (H, W, 3) BGR. The dtype is uint8 for videos, and uint8, uint16 or float32 for images.
            The shape is (0, 0, 3) if the frame could not be read.
        error: Reason why the frame could not be read. Empty if the frame was read.
    """

    index: int
    time: float
    image: NDArray[Any]
    error: str = ""


def decode_frames(data: bytes, name: str) -> Iterator[Frame]:
    """Yield the images in the content of an image file.

    Args:
        data: Content of the file.
        name: Name of the file for errors.

    Yields:
        The images in order. The frames of an animation have their own times. The pages of a TIFF, HEIC or
        MPO file have the time NaN. A single image has the time 0.

    Raises:
        ValueError: The file cannot be decoded, or it has fewer images than it states. The images before the
            damaged part are yielded first.
        ImportError: OpenCV cannot be imported.
        MissingExtra: The file is a HEIC file, and pillow-heif is not installed.
    """
    check_content(data, name)
    if data.startswith(TIFF_SIGNATURES):
        return _tiff_frames(data, name)
    if is_heif(data):
        return _number(decode_heif(data, name))
    if data.startswith(b"\xff\xd8"):
        return _jpeg_frames(data, name)
    if (
        data.startswith(b"GIF")
        or is_animated_webp(data)
        or is_animated_png(data)
        or (is_avif(data) and has_movie_box(data))
    ):
        return _animation_frames(data, name)
    if _is_concatenated_pnm(data):
        raise ValueError(
            f"{name} holds several PNM images one after the other; split it into one file per image"
        )
    return iter([Frame(0, 0.0, decode_image(data, name))])


def _is_concatenated_pnm(data: bytes) -> bool:
    """Return whether a binary PBM, PGM or PPM file contains a second image after the first image."""
    header = _PNM.match(data)
    if header is None:
        return False
    kind, width, height, largest = header[1] or header[2], int(header[3]), int(header[4]), int(header[5] or 1)
    row = (width + 7) // 8 if kind == b"4" else width * (3 if kind == b"6" else 1) * (1 + (largest > 255))
    return data[header.end() + row * height :].lstrip()[:2] in (b"P4", b"P5", b"P6")


def _number(images: Iterator[Any]) -> Iterator[Frame]:
    first, second = next(images), next(images, None)
    if second is None:
        yield Frame(0, 0.0, first)
        return
    for index, pixels in enumerate(itertools.chain((first, second), images)):
        yield Frame(index, _NO_TIME, pixels)


def _jpeg_frames(data: bytes, name: str) -> Iterator[Frame]:
    ranges, missing = jpeg.find_images(data)
    for index, (start, end) in enumerate(ranges):
        part = data if len(ranges) == 1 else data[start:end]
        yield Frame(index, _NO_TIME if len(ranges) > 1 else 0.0, decode_image(part, name))
    if missing:
        raise ValueError(f"{name} is truncated: {missing} of its {len(ranges) + missing} images are missing")


def _tiff_frames(data: bytes, name: str) -> Iterator[Frame]:
    cv2 = import_opencv(f"reading the image file {name}")
    buffer, flags = np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
    first = decode_image(data, name)
    try:
        count = count_tiff_pages(data)
    except TiffError as error:
        raise ValueError(f"{name} is truncated or damaged: {error}") from error
    if count == 1:
        yield Frame(0, 0.0, first)
        return
    index = 0
    while index < count:
        try:
            with silenced_opencv(cv2):
                found, pages = cv2.imdecodemulti(buffer, flags, range=(index, min(index + CHUNK, count)))
        except cv2.error as error:
            raise decoding_error(name, error) from error
        for page in pages if found else ():
            yield Frame(index, _NO_TIME, page)
            index += 1
        if index < count and (not found or index % CHUNK):
            raise ValueError(f"{name}: image {index + 1} of {count} in this file cannot be decoded")


def _animation_frames(data: bytes, name: str) -> Iterator[Frame]:
    cv2 = import_opencv(f"reading the image file {name}")
    if not hasattr(cv2, "imdecodeanimation"):
        raise newer_opencv_error(cv2, name, "animations")
    buffer = np.frombuffer(data, np.uint8)
    first = decode_image(data, name)
    index = milliseconds = 0
    while True:
        try:
            with silenced_opencv(cv2):
                found, part = cv2.imdecodeanimation(buffer, start=index, count=CHUNK)
        except cv2.error as error:
            raise decoding_error(name, error) from error
        images: list[Any] = list(part.frames) if found else []
        if index == 0 and len(images) < 2:
            yield Frame(0, 0.0, first)
            index = 1
            break
        for image, duration in zip(images, part.durations, strict=False):
            pixels = to_full_range(np.ascontiguousarray(image[..., :3]), data)
            yield Frame(index, milliseconds / 1000, pixels)
            index += 1
            milliseconds += max(int(duration), 0)
        if len(images) < CHUNK:
            break
    if index < (count := count_frames(data)):
        raise ValueError(f"{name}: image {index + 1} of {count} in this file cannot be decoded")
