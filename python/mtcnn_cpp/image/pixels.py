"""Pictures of any kind in, checked pixels out."""

from __future__ import annotations

import math
import os
import sys
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .read import read_image
from .value_range import Warn, range_warning, warn_caller

Color: TypeAlias = Literal["bgr", "rgb"]


class Pixels(NamedTuple):
    """What every backend accepts: (H, W, 3 or 4) uint8 or (H, W, 3) float32 in 0…255, channels next to each
    other in memory and both other strides positive; the fourth channel is ignored. given: dtype of
    the image before the conversion, "" if it is not known."""

    array: NDArray[Any]
    red_first: bool
    given: str = ""


def to_pixels(
    image: object, color: str = "bgr", *, warn: Warn | None = warn_caller, file: str = ""
) -> Pixels:
    """Check `image` and bring it into the form of `Pixels`, without a copy where none is needed.

    `image` is an array, a path or a PIL image; `color` is the channel order of an array (a file and a PIL
    image know theirs). The checks come in this order: color, type, shape, dtype, values; the first that
    fails raises TypeError or ValueError. `warn` gets a message about uint16 values that use a small part of
    their range; None for no warnings. `file`: name of the file that an array was read from; errors and
    warnings name it, and give advice for files.
    """
    if file:
        return _pixels_of_file(image, file, warn)
    if color not in ("bgr", "rgb"):
        raise ValueError(f"color must be 'bgr' or 'rgb', got {color!r}")
    if isinstance(image, (str, os.PathLike)):
        return _pixels_of_file(read_image(image), os.fspath(image), warn)
    if is_pil(image):
        image, color = _from_pil(image), "rgb"
    if not isinstance(image, np.ndarray):
        found = f"got {type(image).__name__}; {_advice(image)}"
        raise TypeError(f"image must be a NumPy array, a path or a PIL image, {found}")
    array = np.asarray(image)
    _check_shape(array)
    given = str(array.dtype)
    if array.ndim == 2:
        array = array[..., np.newaxis]
    array = array[..., :3]
    if warn is not None and (message := range_warning(array)):
        warn(message)
    array = _to_computed_dtype(array)
    if array.shape[2] == 1:
        return Pixels(np.repeat(array, 3, axis=2), red_first=False, given=given)
    return _with_positive_strides(array, color == "rgb")._replace(given=given)


def _advice(image: object) -> str:
    """How to make an accepted image of something else."""
    if image is None:
        return "cv2.imread returns None for a file that it cannot read: give the path to learn why"
    if isinstance(image, (bytes, bytearray, memoryview)):
        decode = "cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)"
        return f"decode the bytes of an image file by {decode}"
    if hasattr(image, "read"):
        return "open a file object by PIL.Image.open(file)"
    return "turn other containers into an array first: np.asarray(image, np.uint8) if the values are 0…255"


def _pixels_of_file(image: object, file: str, warn: Warn | None) -> Pixels:
    """The pixels of an array that was read from a file; an error names the file and gives no advice for
    arrays."""

    def warn_of_file(message: str) -> None:
        if warn is not None:
            warn(f"{file}: {message}")

    try:
        return to_pixels(image, warn=warn_of_file)
    except (TypeError, ValueError) as error:
        found = str(error).partition(";")[0]
        raise ValueError(f"{file}: {found}; save it with 8 or 16 bits a channel") from error


def to_bgr8(pixels: Pixels) -> NDArray[np.uint8]:
    """A copy to draw on: (H, W, 3) uint8 in the order B, G, R; float pixels are rounded."""
    array = pixels.array[..., 2::-1] if pixels.red_first else pixels.array[..., :3]
    if array.dtype != np.uint8:
        array = np.rint(array)
    copy: NDArray[np.uint8] = array.astype(np.uint8, order="C")
    return copy


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
