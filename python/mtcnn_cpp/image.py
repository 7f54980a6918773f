"""Pictures of any kind in, checked pixels out."""

from __future__ import annotations

import contextlib
import math
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from . import png

Color: TypeAlias = Literal["bgr", "rgb"]


class Pixels(NamedTuple):
    """What every backend accepts: (H, W, 3 or 4) uint8 or (H, W, 3) float32 in 0…255, channels next to each
    other in memory and both other strides positive; the fourth channel is never looked at."""

    array: NDArray[Any]
    red_first: bool


def to_pixels(image: object, color: str = "bgr") -> Pixels:
    """Check `image` and bring it into the form of `Pixels`, without a copy where none is needed.

    `image` is an array, a path or a PIL image; `color` is the channel order of an array (a file and a PIL
    image know theirs). The checks come in this order: color, type, shape, dtype, values; the first that
    fails raises TypeError or ValueError.
    """
    if color not in ("bgr", "rgb"):
        raise ValueError(f"color must be 'bgr' or 'rgb', got {color!r}")
    if isinstance(image, (str, os.PathLike)):
        return _pixels_of_file(Path(image))
    if is_pil(image):
        image, color = _from_pil(image), "rgb"
    if not isinstance(image, np.ndarray):
        raise TypeError(
            f"image must be a NumPy array, a path or a PIL image, got {type(image).__name__}; "
            "turn other containers into an array first (np.asarray)"
        )
    array = np.asarray(image)
    _check_shape(array)
    if array.ndim == 2:
        array = array[..., np.newaxis]
    array = _to_computed_dtype(array[..., :3])
    if array.shape[2] == 1:
        return Pixels(np.repeat(array, 3, axis=2), red_first=False)
    return _with_positive_strides(array, color == "rgb")


def _pixels_of_file(file: Path) -> Pixels:
    """What the file holds; an error names the file and gives no advice for arrays."""
    try:
        return to_pixels(read_image(file))
    except (TypeError, ValueError) as error:
        if str(file) in str(error):
            raise
        found = str(error).partition(";")[0]
        raise ValueError(f"{file}: {found}; save it with 8 or 16 bits a channel") from error


def to_bgr8(pixels: Pixels) -> NDArray[np.uint8]:
    """A copy to draw on: (H, W, 3) uint8 in the order B, G, R; float pixels are rounded."""
    array = pixels.array[..., 2::-1] if pixels.red_first else pixels.array[..., :3]
    if array.dtype != np.uint8:
        array = np.rint(array)
    copy: NDArray[np.uint8] = array.astype(np.uint8, order="C")
    return copy


def read_image(path: str | os.PathLike[str]) -> NDArray[Any]:
    """The picture in a file: (H, W, 3) in the order B, G, R, upright; uint8, or the file's own depth if
    that is more.

    Raises FileNotFoundError or another OSError where the file cannot be opened, ValueError where it holds
    no picture or only part of one, ImportError where OpenCV cannot be imported.
    """
    file = Path(path)
    if file.is_dir():
        raise IsADirectoryError(f"{file} is a folder, expected an image file")
    if file.exists() and not file.is_file():
        raise ValueError(f"{file} is a special file, expected an image file")
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"{file}: there is no such image file") from None
    if not data:
        raise ValueError(f"{file} is empty, expected an image file")
    if _breaks_off(data):
        raise ValueError(f"{file} is truncated: the image breaks off before its end, after {len(data)} bytes")
    cv2 = opencv(f"reading the image file {file}")
    try:
        with _silence(cv2):
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    except cv2.error as error:
        raise ValueError(
            f"{file}: OpenCV cannot decode this image ({' '.join(str(error).split())})"
        ) from error
    if image is None:
        raise ValueError(f"{file} is not an image that OpenCV can read, or it is truncated or damaged")
    return np.asarray(image)


def sample_image() -> NDArray[np.uint8]:
    """The picture that comes with the package: a portrait by NASA, (512, 512, 3) uint8 in the order B, G,
    R."""
    return png.decode((Path(__file__).parent / "sample" / "astronaut.png").read_bytes())


def opencv(purpose: str) -> ModuleType:
    """The module cv2, or an ImportError that says what needed it and what to do."""
    try:
        import cv2
    except ImportError as error:
        raise ImportError(
            f"{purpose} needs OpenCV, but `import cv2` failed: {error}. Where a system library such as "
            "libGL.so.1 is missing, `pip uninstall opencv-python; pip install opencv-python-headless` helps. "
            "Detection on a NumPy array or a PIL image works without OpenCV."
        ) from error
    return cv2


class _Silence:
    """Keeps OpenCV from printing what it thinks of a file, while any thread is inside.

    The last thread to leave puts the caller's level of logging back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._level = 0

    @contextlib.contextmanager
    def __call__(self, cv2: Any) -> Iterator[None]:
        logging = cv2.utils.logging
        with self._lock:
            if self._inside == 0:
                self._level = logging.getLogLevel()
                logging.setLogLevel(logging.LOG_LEVEL_SILENT)
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if self._inside == 0:
                    logging.setLogLevel(self._level)


_silence = _Silence()


def is_pil(image: object) -> bool:
    """Whether `image` is a PIL image. Does not import PIL."""
    pil = sys.modules.get("PIL.Image")
    return pil is not None and isinstance(image, pil.Image)


def _from_pil(image: Any) -> NDArray[Any]:
    """Its pixels, upright as its Exif orientation says: the same as of the file that it was opened from."""
    from PIL import ImageOps

    image = ImageOps.exif_transpose(image)
    mode = image.mode
    if mode in ("L", "RGB", "RGBA", "RGBX", "F") or mode.startswith("I;16"):
        return np.asarray(image)
    if mode == "I":
        raise TypeError(
            "a PIL image of mode 'I' (32-bit integers) has no known range; "
            "pass np.asarray(image).astype(np.uint16) if its values are 0…65535"
        )
    return np.asarray(image.convert("RGBA" if mode in ("P", "PA") else "RGB"))


def _check_shape(array: NDArray[Any]) -> None:
    found = f"got {array.shape} {array.dtype}"
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        channels_first = array.ndim == 3 and array.shape[0] in (1, 3, 4)
        hint = "; for channels first use np.moveaxis(image, 0, -1)" if channels_first else ""
        raise ValueError(f"image must be (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), {found}{hint}")
    if 0 in array.shape:
        raise ValueError(f"image must have at least one pixel, {found}")


def _to_computed_dtype(array: NDArray[Any]) -> NDArray[Any]:
    """uint8 as it is; uint16 / 256, exact in float32; floats checked, then float32."""
    kind = (array.dtype.kind, array.dtype.itemsize)
    if kind == ("u", 1):
        return array
    if kind == ("u", 2):
        return array.astype(np.float32) * np.float32(1 / 256)
    if kind in (("f", 4), ("f", 8)):
        _check_values(array)
        return array.astype(np.float32, copy=False)
    raise TypeError(
        f"image must be uint8, uint16, float32 or float64, got {array.dtype}; "
        "use image.astype(np.uint8) if its values are 0…255"
    )


def _check_values(array: NDArray[Any]) -> None:
    low, high = float(array.min()), float(array.max())  # NaN if there is one
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(f"image must be finite, found {_first(array, ~np.isfinite(array))}")
    if low < 0 or high > 255:
        where = _first(array, (array < 0) | (array > 255))
        hint = "; map -1…1 to 0…255 by (image + 1) * 127.5" if -1 <= low < 0 and high <= 1 else ""
        raise ValueError(f"float image must have values in 0…255, found {where}{hint}")
    if high <= 1 and (fraction := (array != 0) & (array != 1)).any():
        raise ValueError(
            "float image must have values in 0…255, but all lie in 0…1 and not all are integers, "
            f"such as {_first(array, fraction)}; multiply by 255"
        )


def _first(array: NDArray[Any], wrong: NDArray[np.bool_]) -> str:
    row, column, channel = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
    return f"{array[row, column, channel]} at row {row}, column {column}, channel {channel}"


def _with_positive_strides(array: NDArray[Any], red_first: bool) -> Pixels:
    if array.strides[2] == -array.itemsize:  # image[..., ::-1]: the same memory read the other way round
        array, red_first = array[..., ::-1], not red_first
    row, column, channel = array.strides
    if row > 0 and column > 0 and channel == array.itemsize and array.flags.aligned:
        return Pixels(array, red_first)
    return Pixels(array.copy(order="C"), red_first)


def _breaks_off(data: bytes) -> bool:
    """A PNG or JPEG file without its end. (Older OpenCV fills what is missing with grey and says nothing.)"""
    if data.startswith(b"\x89PNG"):
        return b"IEND" not in data
    if not data.startswith(b"\xff\xd8"):
        return False
    at = 2  # JPEG: segments of marker and length (a thumbnail lies inside one), the scan, the end marker
    while data[at : at + 1] == b"\xff" and data[at + 1 : at + 2] != b"\xda":
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return b"\xff\xd9" not in data[at:]
