"""Reads image files, checks their content, and decodes the first image of each file.

OpenCV decodes all formats except HEIC and HEIF, which need pillow-heif (extra `heif`).
"""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from ..._util.errors import import_extra
from ..._util.user_files import describe_missing, read_file, read_limited, special_file_kind
from ...storage.address import is_web, masked
from ...types import ImageContent
from .formats import (
    RAW_SIGNATURES,
    TIFF_SIGNATURES,
    avif_bit_depth,
    brands_of,
    has_movie_box,
    is_avif,
    is_canon_raw,
    is_heif,
    kind_of,
)
from .opencv import import_opencv, silenced_opencv
from .structure import (
    WEBP_EXIF,
    has_webp_flag,
    is_animated_png,
    is_damaged_png,
    is_raw_tiff,
    is_truncated,
    png_chunks,
)

MAX_IMAGE_FILE_SIZE = (1 << 31) - 1  # bytes of an image file; the limit of OpenCV

SAMPLE = Path(__file__).parents[1] / "sample" / "astronaut.png"


def read_image(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Read the image in a file, and rotate it upright according to its Exif orientation.

    Args:
        path: Path of an image file. If the file has several images (GIF, TIFF, …), only the first image is
            read.

    Returns:
        (H, W, 3) BGR. The dtype is uint8 if the file has at most 8 bits per channel. Otherwise, it is uint16
        or float32.

    Raises:
        OSError: The file cannot be opened (FileNotFoundError if it does not exist).
        ValueError: The file is not an image, or it is truncated or damaged.
        ImportError: OpenCV cannot be imported.
        MissingExtra: The file is a HEIC file, and pillow-heif is not installed.
    """
    return decode_image(read_bytes(path), os.fspath(path))


def sample_image() -> NDArray[np.uint8]:
    """Return the bundled sample image, a portrait by NASA.

    Returns:
        (512, 512, 3) uint8 BGR.
    """
    # This function works without OpenCV, because detection on arrays also works without OpenCV. This file is
    # 8-bit RGB, and all its rows have the PNG filter "Sub": each pixel is stored as the difference to the
    # pixel on its left.
    data = SAMPLE.read_bytes()
    starts = [at for kind, at in png_chunks(data) if kind == b"IDAT"]
    body = b"".join(data[at : at + int.from_bytes(data[at - 8 : at - 4], "big")] for at in starts)
    rows = np.frombuffer(zlib.decompress(body), np.uint8).reshape(512, 1 + 512 * 3)[:, 1:]
    rgb = np.cumsum(rows.reshape(512, 512, 3), axis=1, dtype=np.uint8)
    return np.ascontiguousarray(rgb[..., ::-1])


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Return the content of an image file.

    If the file cannot be read, raise OSError or ValueError. The message contains the name of the file.
    """
    if isinstance(path, str) and is_web(path):
        raise ValueError(
            f"{masked(path)} is a web address, expected an image file; download it, or use the command "
            "`mtcnn-cpp detect`"
        )
    file = Path(path)
    if "\0" in str(file):
        raise ValueError(f"{str(file)!a}: expected the name of an image file, found a name with a null byte")
    if file.is_dir():
        raise IsADirectoryError(f"{file} is a folder, expected an image file")
    if kind := special_file_kind(file):
        advice = ", which `mtcnn-cpp detect - < PIPE` reads" if kind == "a pipe" else ""
        raise ValueError(f"{file} is a special file, expected an image file; it is {kind}{advice}")
    try:
        return read_file(file, limit=MAX_IMAGE_FILE_SIZE)
    except FileNotFoundError:
        found = describe_missing(file)
        if found == "nothing there":
            raise FileNotFoundError(f"{file}: there is no such image file") from None
        raise FileNotFoundError(f"{file} is {found}; expected an image file") from None


def is_content(image: object) -> TypeGuard[ImageContent]:
    """Return whether an object is the content of a file: bytes, or a file object."""
    return isinstance(image, (bytes, bytearray, memoryview)) or hasattr(image, "read")


def read_content(content: ImageContent) -> tuple[bytes, str]:
    """Return the content of an image file, and its name for messages.

    A file object is read from its current position to its end.

    Raises:
        OSError: The file object cannot be read.
        TypeError: The file object returns text, or the memoryview is not a one-dimensional view of bytes.
        ValueError: The file object is at its end, or there are too many bytes.
    """
    if isinstance(content, (bytes, bytearray, memoryview)):
        name, view = f"<{type(content).__name__}>", memoryview(content)
        if view.ndim != 1 or view.itemsize != 1:
            raise TypeError(
                f"image must be the bytes of an image file, got a memoryview of shape {view.shape} with "
                f"items of {view.itemsize} bytes; pass np.asarray(image) if it holds pixels"
            )
        return read_limited(io.BytesIO(bytes(content)), MAX_IMAGE_FILE_SIZE, name), name
    given = getattr(content, "name", None)
    name = given if isinstance(given, str) and given else f"<{type(content).__name__}>"
    try:
        data = read_limited(content, MAX_IMAGE_FILE_SIZE, name)
    except (TypeError, UnicodeDecodeError) as error:
        raise TypeError(
            f'{name}: expected a file opened in binary mode, for example by open(path, "rb"); reading it '
            f"failed: {error}"
        ) from error
    if not data:
        raise ValueError(f"{name} is at its end, expected an image file; use seek(0) to read it again")
    return data, name


def decode_image(data: bytes, name: str) -> NDArray[Any]:
    """Decode the first image of a file's content, as `read_image` does; `name` is the file name in errors."""
    check_content(data, name)
    if is_heif(data):
        return next(decode_heif(data, name))
    cv2 = import_opencv(f"reading the image file {name}")
    if has_webp_flag(data, WEBP_EXIF) and not hasattr(cv2, "imdecodeanimation"):
        raise newer_opencv_error(cv2, name, "the Exif orientation of WebP files")
    try:
        with silenced_opencv(cv2):
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    except cv2.error as error:
        raise decoding_error(name, error) from error
    if image is None:
        raise ValueError(f"{name} is not an image that OpenCV can read, or it is truncated or damaged")
    return to_full_range(np.asarray(image), data)


def decode_heif(data: bytes, name: str) -> Iterator[NDArray[Any]]:
    """Yield the images of a HEIC or HEIF file: first the primary image, then the other images in file order.

    Thumbnails and depth maps are not yielded. Raises ValueError for a sequence, because pillow-heif reads
    only its first frame.
    """
    pillow_heif = import_extra("pillow_heif", "mtcnn-cpp[heif]", f"{name} is a HEIC image; reading it")
    if has_movie_box(data):
        raise ValueError(
            f"{name} is a HEIC sequence, whose frames cannot be read; convert it to a video (MP4) first"
        )
    try:
        file = pillow_heif.open_heif(data, convert_hdr_to_8bit=False, bgr_mode=True)
        first = file.primary_index
        for index in (first, *(index for index in range(len(file)) if index != first)):
            pixels = np.asarray(file[index])
            bgr = pixels[..., :3] if pixels.ndim == 3 else np.stack([pixels] * 3, axis=-1)
            yield np.ascontiguousarray(bgr)
    except (ValueError, OSError, RuntimeError, EOFError, SyntaxError, IndexError) as error:
        raise ValueError(f"{name}: this HEIC image cannot be decoded ({error})") from error


def to_full_range(pixels: NDArray[Any], data: bytes) -> NDArray[Any]:
    """Scale the values of a 10- or 12-bit AVIF file to 0…65535. OpenCV does not scale them."""
    if pixels.dtype != np.uint16 or not is_avif(data):
        return pixels
    return np.asarray(np.left_shift(pixels, 16 - avif_bit_depth(data)))


def check_content(data: bytes, name: str) -> None:
    """Raise ValueError if the file is empty, truncated or damaged, or if it is a video or a raw photo."""
    if not data:
        raise ValueError(f"{name} is empty, expected an image file")
    if is_truncated(data):
        raise ValueError(f"{name} is truncated: the image is not complete after {len(data)} bytes")
    if _is_raw_photo(data):
        raise ValueError(
            f"{name} is a raw photo, which has no developed pixels; convert it to JPEG, PNG or TIFF first"
        )
    if is_animated_png(data) and is_damaged_png(data):
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


def _is_raw_photo(data: bytes) -> bool:
    if data.startswith(TIFF_SIGNATURES):
        return is_raw_tiff(data)
    return is_canon_raw(data) or data.startswith(RAW_SIGNATURES)


def newer_opencv_error(cv2: Any, name: str, what: str) -> ValueError:
    """Return the error for content that only OpenCV 4.12 and later can read."""
    return ValueError(
        f"{name}: OpenCV {cv2.__version__} does not read {what}; use opencv-python 4.12 or newer"
    )


def decoding_error(name: str, error: Exception) -> ValueError:
    return ValueError(f"{name}: OpenCV cannot decode this image ({' '.join(str(error).split())})")
