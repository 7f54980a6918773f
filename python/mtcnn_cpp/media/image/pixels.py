"""Checks images and converts them to pixels. Warns about uint16 images that seem to have fewer bits."""

from __future__ import annotations

import math
import os
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .read import decode_image, is_content, read_content, read_image

Color: TypeAlias = Literal["bgr", "rgb"]
Warn: TypeAlias = Callable[[str], None]

MAX_WARNINGS = 20  # per job, batch or stream
_CPU_DEVICES = (1, 3, 11, 13)  # DLPack: CPU, pinned memory of CUDA and ROCm, managed memory of CUDA
_PACKAGE = str(Path(__file__).parents[2]) + os.sep


def range_warning(array: NDArray[Any]) -> str:
    """Return a warning if the values of a uint16 image seem to have fewer than 16 bits. Otherwise return "".

    Cameras and scanners store 10-, 12- and 14-bit values in 16-bit files. Some programs store 8-bit values in
    16-bit files. For the detector, such an image is almost black, and the detector finds no face in it. If
    the largest value has at most 12 bits, the function always warns, because it cannot recognize an image
    that is intentionally dark. A 14-bit image looks like a dark 16-bit image with visible faces. Therefore,
    if the largest value has more bits, the function warns only if this value is in the upper tenth of the
    14-bit range, where photos have their highlights. If all values are 0, there is no warning, because the
    image is black in every range.
    """
    if array.dtype.kind != "u" or array.itemsize != 2:
        return ""
    brightest = int(array.max())
    bits = next((bits for bits in (8, 10, 12) if brightest < 1 << bits), 14)
    if brightest == 0 or (bits == 14 and not 0.9 * (1 << 14) <= brightest < 1 << 14):
        return ""
    factor = 1 << 16 - bits
    advice = "Pass it as uint8 (8 bits per channel)" if bits == 8 else f"Multiply its values by {factor}"
    found = f"uint16 image has values in 0…{(1 << bits) - 1} only, as {bits}-bit images have"
    found += "; 16-bit images use 0…65535"
    brightness = "dark" if bits == 14 else "almost black"
    return f"{found}. For the detector it is {brightness}. {advice}, unless the image is really that dark"


def warn_caller(message: str) -> None:
    """Issue a UserWarning that points to the line that called this package."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, UserWarning, stacklevel=level)


class LimitedWarnings:
    """Issues each distinct warning only once, and at most 20 warnings.

    Threads can share an object of this class.
    """

    def __init__(self, warn: Warn = warn_caller) -> None:
        self._warn = warn
        self._lock = threading.Lock()
        self._passed_on: set[str] = set()

    def __call__(self, message: str) -> None:
        with self._lock:
            if message in self._passed_on or len(self._passed_on) > MAX_WARNINGS:
                return
            self._passed_on.add(message)
            is_last = len(self._passed_on) > MAX_WARNINGS
        self._warn("there are more warnings, but no more of these warnings are shown" if is_last else message)


class Pixels(NamedTuple):
    """An image in the form that every backend accepts.

    Attributes:
        array: (H, W, 3 or 4) uint8, or (H, W, 3) float32 in 0…255. Channels are adjacent in memory, and the
            strides of rows and columns are positive. A fourth channel is ignored.
        is_rgb: Whether the channel order is RGB. If false, it is BGR.
        given: dtype of the image before the conversion, or "" if this dtype is unknown.
    """

    array: NDArray[Any]
    is_rgb: bool
    given: str = ""


def to_pixels(
    image: object, color: str = "bgr", *, warn: Warn | None = warn_caller, file: str = ""
) -> Pixels:
    """Check an image and convert it to `Pixels`. The array is copied only if necessary.

    Args:
        image: Array or tensor, path or content of an image file, or PIL image.
        color: Channel order of an array, "bgr" or "rgb". Files and PIL images have a known order.
        warn: Called with a message if a uint16 image uses only a small part of the 16-bit range. None: no
            warnings.
        file: Name of the file from which an array was read. If it is given, errors and warnings name this
            file.

    Raises:
        TypeError: The type or dtype of the image is not supported.
        ValueError: `color`, the shape or the values are not valid. The checks run in this order: color, type,
            shape, dtype, values.
    """
    if file:
        return _pixels_of_file(image, file, warn)
    if color not in ("bgr", "rgb"):
        raise ValueError(f"color must be 'bgr' or 'rgb', got {color!r}")
    if isinstance(image, (str, os.PathLike)):
        return _pixels_of_file(read_image(image), os.fspath(image), warn)
    if is_content(image):
        data, name = read_content(image)
        return _pixels_of_file(decode_image(data, name), name, warn)
    is_torch = hasattr(image, "permute")
    if is_pil(image):
        array, color = _from_pil(image), "rgb"
    else:
        array = np.asarray(image) if isinstance(image, np.ndarray) else _from_tensor(image)
    _check_shape(array, "image.permute(1, 2, 0)" if is_torch else "np.moveaxis(image, 0, -1)")
    given = str(array.dtype)
    if array.ndim == 2:
        array = array[..., np.newaxis]
    array = array[..., :3]
    if warn is not None and (message := range_warning(array)):
        warn(message)
    array = _to_computed_dtype(array, "image.to(torch.uint8)" if is_torch else "image.astype(np.uint8)")
    if array.shape[2] == 1:
        return Pixels(np.repeat(array, 3, axis=2), is_rgb=False, given=given)
    return _with_positive_strides(array, color == "rgb")._replace(given=given)


def _advice(image: object) -> str:
    """Return advice for the user who passed an object of an unsupported type."""
    if image is None:
        return "cv2.imread returns None for a file that it cannot read: pass the path to get the reason"
    return "turn other containers into an array first: np.asarray(image, np.uint8) if the values are 0…255"


def _pixels_of_file(image: object, file: str, warn: Warn | None) -> Pixels:
    """Convert an array that was read from a file. Errors name the file and contain no advice for arrays."""

    def warn_of_file(message: str) -> None:
        if warn is not None:
            warn(f"{file}: {message}")

    try:
        return to_pixels(image, warn=warn_of_file)
    except (TypeError, ValueError) as error:
        found = str(error).partition(";")[0]
        raise ValueError(f"{file}: {found}; save it with 8 or 16 bits per channel") from error


def to_uint8(pixels: Pixels, color: Color = "bgr") -> NDArray[np.uint8]:
    """Return a copy as (H, W, 3) uint8 in the channel order `color`. Float values are rounded."""
    is_same_order = pixels.is_rgb == (color == "rgb")
    array = pixels.array[..., :3] if is_same_order else pixels.array[..., 2::-1]
    if array.dtype != np.uint8:
        array = np.rint(array)
    copy: NDArray[np.uint8] = array.astype(np.uint8, order="C")
    return copy


def is_pil(image: object) -> bool:
    """Return whether `image` is a PIL image, without importing PIL."""
    pil = sys.modules.get("PIL.Image")
    return pil is not None and isinstance(image, pil.Image)


def _from_pil(image: Any) -> NDArray[Any]:
    """Return the pixels of a PIL image, rotated upright according to its Exif orientation.

    The pixels are the same as if the file of the image were read.
    """
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


def _from_tensor(image: Any) -> NDArray[Any]:
    """Convert a tensor or array of another library to a NumPy array. Values are copied only if necessary."""
    if getattr(image, "requires_grad", False) is True:
        raise TypeError(
            "image is a tensor that requires gradients, expected plain values; pass image.detach()"
        )
    if not _is_on_cpu(image):
        advice = "pass image.cpu()" if hasattr(image, "cpu") else "copy it to the CPU first"
        device = getattr(image, "device", "other than the CPU")
        raise TypeError(f"image is on the device {device}, expected the CPU; {advice}")
    reason = _advice(image)
    for method, convert in (("__dlpack__", np.from_dlpack), ("__array__", np.asarray)):
        if hasattr(image, method):
            try:
                return np.asarray(convert(image))
            except (AttributeError, BufferError, RuntimeError, TypeError, ValueError) as error:
                reason = f"NumPy cannot convert it: {error}"
    expected = "an array, a tensor, the path or the content of an image file, or a PIL image"
    raise TypeError(f"image must be {expected}, got {type(image).__name__}; {reason}")


def _is_on_cpu(image: Any) -> bool:
    if not hasattr(image, "__dlpack_device__"):
        return True
    try:
        kind: int = image.__dlpack_device__()[0]
    except (BufferError, RuntimeError, TypeError, ValueError):  # a device that DLPack does not know
        return False
    return kind in _CPU_DEVICES


def _check_shape(array: NDArray[Any], to_channels_last: str) -> None:
    found = f"got {array.shape} {array.dtype}"
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        channels_first = array.ndim == 3 and array.shape[0] in (1, 3, 4)
        hint = f"; for channels first use {to_channels_last}" if channels_first else ""
        hint = "; for a batch of images use detect_batch" if array.ndim == 4 else hint
        raise ValueError(f"image must be (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), {found}{hint}")
    if 0 in array.shape:
        raise ValueError(f"image must have at least one pixel, {found}")


def _to_computed_dtype(array: NDArray[Any], to_uint8: str) -> NDArray[Any]:
    """Convert values to a dtype that the detector computes with: uint8 or float32.

    uint8 values do not change. uint16 values are divided by 256 in float32, which is exact. Float values are
    checked and converted to float32.
    """
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
        f"use {to_uint8} if its values are 0…255"
    )


def _check_values(array: NDArray[Any]) -> None:
    low, high = float(array.min()), float(array.max())  # NaN if any value is NaN
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError(
            f"image must have finite values, found {_describe_first(array, ~np.isfinite(array))}"
        )
    if low < 0 or high > 255:
        where = _describe_first(array, (array < 0) | (array > 255))
        hint = "; map -1…1 to 0…255 by (image + 1) * 127.5" if -1 <= low < 0 and high <= 1 else ""
        raise ValueError(f"float image must have values in 0…255, found {where}{hint}")
    if high <= 1 and (fraction := (array != 0) & (array != 1)).any():
        raise ValueError(
            "float image must have values in 0…255, but all lie in 0…1, and some are fractions: "
            f"{_describe_first(array, fraction)}; multiply by 255"
        )


def _describe_first(array: NDArray[Any], wrong: NDArray[np.bool_]) -> str:
    row, column, channel = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
    return f"{array[row, column, channel]} at row {row}, column {column}, channel {channel}"


def _with_positive_strides(array: NDArray[Any], is_rgb: bool) -> Pixels:
    if array.strides[2] == -array.itemsize:  # a reversed view such as image[..., ::-1]
        array, is_rgb = array[..., ::-1], not is_rgb
    row, column, channel = array.strides
    if row > 0 and column > 0 and channel == array.itemsize and array.flags.aligned:
        return Pixels(array, is_rgb)
    return Pixels(array.copy(order="C"), is_rgb)
