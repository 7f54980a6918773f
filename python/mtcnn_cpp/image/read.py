"""Image files, by OpenCV: the bytes, checked, and the first picture in them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .apng import is_animated_png, is_damaged
from .heif import decode_heif, is_heif
from .opencv import opencv, quiet
from .sniff import kind_of

WEBP_ANIMATION = 0x02
_WEBP_EXIF = 0x08


def read_image(path: str | os.PathLike[str]) -> NDArray[Any]:
    """The picture in a file: (H, W, 3) in the order B, G, R, upright; uint8, or the file's own depth if
    that is more. Of several pictures in one file (GIF, TIFF) the first.

    Raises FileNotFoundError or another OSError where the file cannot be opened, ValueError where it holds
    no picture or only part of one, ImportError where OpenCV cannot be imported.
    """
    return decode_image(read_bytes(path), os.fspath(path))


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The content of an image file; OSError or ValueError, which names the file, where there is none."""
    file = Path(path)
    if file.is_dir():
        raise IsADirectoryError(f"{file} is a folder, expected an image file")
    if file.exists() and not file.is_file():
        raise ValueError(f"{file} is a special file, expected an image file")
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"{file}: there is no such image file") from None


def decode_image(data: bytes, name: str) -> NDArray[Any]:
    """The picture in the content of a file, as `read_image` gives it; `name` is what errors call it."""
    check_whole(data, name)
    if is_heif(data):
        return decode_heif(data, name)
    cv2 = opencv(f"reading the image file {name}")
    if has_webp_flag(data, _WEBP_EXIF) and not hasattr(cv2, "imdecodeanimation"):
        raise needs_newer(cv2, name, "the Exif data of WebP files, which say how an image is turned")
    try:
        with quiet(cv2):
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    except cv2.error as error:
        raise cannot_decode(name, error) from error
    if image is None:
        raise ValueError(f"{name} is not an image that OpenCV can read, or it is truncated or damaged")
    return np.asarray(image)


def check_whole(data: bytes, name: str) -> None:
    """ValueError for content that is empty, breaks off, or is a video's."""
    if not data:
        raise ValueError(f"{name} is empty, expected an image file")
    if _breaks_off(data):
        raise ValueError(f"{name} is truncated: the image breaks off before its end, after {len(data)} bytes")
    if is_animated_png(data) and is_damaged(data):
        raise ValueError(
            f"{name} is damaged: a checksum or the compressed pixels of this animated PNG are wrong"
        )
    if kind_of(data) == "video":
        raise ValueError(f"{name} is a video, expected an image file; use detect_video for its frames")


def has_webp_flag(data: bytes, flag: int) -> bool:
    """Whether this is a WebP file with this flag in its header."""
    return data[8:16] == b"WEBPVP8X" and bool(data[20:21] and data[20] & flag)


def needs_newer(cv2: Any, name: str, what: str) -> ValueError:
    """An error for what OpenCV reads only from 4.12 on."""
    return ValueError(
        f"{name}: OpenCV {cv2.__version__} does not read {what}; use opencv-python 4.12 or newer"
    )


def cannot_decode(name: str, error: Exception) -> ValueError:
    return ValueError(f"{name}: OpenCV cannot decode this image ({' '.join(str(error).split())})")


def _breaks_off(data: bytes) -> bool:
    """A PNG or JPEG file without its end. (Older OpenCV fills what is missing with grey and says nothing.)"""
    if data.startswith(b"\x89PNG"):
        return data.rfind(b"IEND") < 0  # from the end, where it is in a whole file
    if not data.startswith(b"\xff\xd8"):
        return False
    at = 2  # JPEG: segments of marker and length (a thumbnail lies inside one), the scan, the end marker
    while data[at : at + 1] == b"\xff" and data[at + 1 : at + 2] != b"\xda":
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return data.rfind(b"\xff\xd9", at) < 0
