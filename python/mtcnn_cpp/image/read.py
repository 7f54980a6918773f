"""Image files, by OpenCV: the bytes, checked, and the first picture in them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..stores import is_web
from ..stores.address import masked
from ..user_files import kind_of_special, nothing_there, read_file
from . import tiff
from .animation import WEBP_EXIF, has_webp_flag, is_animated_png
from .apng import is_damaged
from .boxes import avif_depth, brands_of, is_avif, is_heif, is_raw
from .heif import decode_heif
from .opencv import opencv, quiet
from .sniff import RAW_PHOTOS, kind_of
from .truncation import is_truncated

LARGEST = (1 << 31) - 1  # bytes of an image file: OpenCV takes no more

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
    if isinstance(path, str) and is_web(path):
        raise ValueError(
            f"{masked(path)} is a web address, expected an image file; download it, or use the command "
            "`mtcnn-cpp detect`"
        )
    file = Path(path)
    if "\0" in str(file):
        raise ValueError(f"{str(file)!a}: expected the name of an image file, found one with a null byte")
    if file.is_dir():
        raise IsADirectoryError(f"{file} is a folder, expected an image file")
    if kind := kind_of_special(file):
        advice = ", which `mtcnn-cpp detect - < PIPE` reads" if kind == "a pipe" else ""
        raise ValueError(f"{file} is a special file, expected an image file; it is {kind}{advice}")
    try:
        return read_file(file, limit=LARGEST)
    except FileNotFoundError:
        found = nothing_there(file)
        if found == "nothing there":
            raise FileNotFoundError(f"{file}: there is no such image file") from None
        raise FileNotFoundError(f"{file} is {found}; expected an image file") from None


def decode_image(data: bytes, name: str) -> NDArray[Any]:
    """The picture in the content of a file, as `read_image` gives it; `name` is what errors call it."""
    check_whole(data, name)
    if is_heif(data):
        return next(decode_heif(data, name))
    cv2 = opencv(f"reading the image file {name}")
    if has_webp_flag(data, WEBP_EXIF) and not hasattr(cv2, "imdecodeanimation"):
        raise needs_newer(cv2, name, "the Exif data of WebP files, which say how an image is turned")
    try:
        with quiet(cv2):
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    except cv2.error as error:
        raise cannot_decode(name, error) from error
    if image is None:
        raise ValueError(f"{name} is not an image that OpenCV can read, or it is truncated or damaged")
    return in_full_range(np.asarray(image), data)


def in_full_range(pixels: NDArray[Any], data: bytes) -> NDArray[Any]:
    """The pixels of an AVIF file with 10 or 12 bits, which OpenCV gives as they are, in 0...65535."""
    if pixels.dtype != np.uint16 or not is_avif(data):
        return pixels
    return np.asarray(np.left_shift(pixels, 16 - avif_depth(data)))


def check_whole(data: bytes, name: str) -> None:
    """ValueError for content that is empty, breaks off, or is a video's or a raw photo's."""
    if not data:
        raise ValueError(f"{name} is empty, expected an image file")
    if is_truncated(data):
        raise ValueError(f"{name} is truncated: the image breaks off before its end, after {len(data)} bytes")
    if is_raw_photo(data):
        raise ValueError(
            f"{name} is a raw photo, which has no developed pixels; convert it to JPEG, PNG or TIFF first"
        )
    if is_animated_png(data) and is_damaged(data):
        raise ValueError(
            f"{name} is damaged: a checksum or the compressed pixels of this animated PNG are wrong"
        )
    kind = kind_of(data)
    if kind == "video":
        raise ValueError(f"{name} is a video, expected an image file; use detect_video for its frames")
    if kind is None and (brands := brands_of(data)):
        raise ValueError(
            f"{name} has the unknown file type {brands[0].decode('latin-1')!a} (brand of its ftyp box), "
            "expected an image file; convert it to a known format, such as PNG, or MP4 for a video"
        )


def is_raw_photo(data: bytes) -> bool:
    """Whether the content is a camera's raw photo."""
    if data.startswith(tiff.SIGNATURES):
        return tiff.is_raw(data)
    return is_raw(data) or data.startswith(RAW_PHOTOS)


def needs_newer(cv2: Any, name: str, what: str) -> ValueError:
    """An error for what OpenCV reads only from 4.12 on."""
    return ValueError(
        f"{name}: OpenCV {cv2.__version__} does not read {what}; use opencv-python 4.12 or newer"
    )


def cannot_decode(name: str, error: Exception) -> ValueError:
    return ValueError(f"{name}: OpenCV cannot decode this image ({' '.join(str(error).split())})")
