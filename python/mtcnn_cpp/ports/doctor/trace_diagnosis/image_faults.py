"""Steps that prepare a network's input, correctly or with faults: resizing, cropping, normalising."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ....reference import resize as reference_resize
from ....reference.cascade import to_maps
from ....types import FloatArray
from ..preparations import NORMALISATIONS
from .faults import CORRECT, Array, Parameters, make_faults

MAX_CROP_PIXELS = 1 << 26
FORMULAS = list(NORMALISATIONS)
COMMON_FAULTS = {
    "colour": ("give the image as R, G, B; OpenCV reads B, G, R", {"bgr": "image in BGR order"}),
    "normalisation": (
        f"normalise as {FORMULAS[0]}",
        {formula: f"image normalised as {formula}" for formula in FORMULAS[1:]},
    ),
    "axes": ("use rows as y and columns as x", {"exchanged": "image transposed (x and y swapped)"}),
    "resize": (
        "resize bilinearly with pixel centres at (d + 0.5) * scale - 0.5, without antialiasing",
        {
            "no half": "resizing shifted by half a pixel (source = d * scale)",
            "corners": "resizing with aligned corners",
            "nearest": "resizing to the nearest pixel",
            "area": "resizing by area (OpenCV's INTER_AREA)",
            "cubic": "bicubic resizing (OpenCV's INTER_CUBIC)",
            "antialiased": "bilinear resizing with antialiasing (as PIL and torchvision do)",
        },
    ),
    "pixels": ("keep fractions after resizing", {"rounded": "pixels rounded to 8 bits after resizing"}),
}
LEVEL_FAULTS = make_faults(
    {
        **COMMON_FAULTS,
        "size": (
            "round the size of a level up: ceil(side * scale)",
            {"floored": "level size rounded down", "rounded": "level size rounded to the nearest integer"},
        ),
    }
)
CROP_FAULTS = make_faults(
    {
        **COMMON_FAULTS,
        "extent": (
            "crop (w + 1) x (h + 1) pixels",
            {"without one": "crops of w x h pixels instead of (w + 1) x (h + 1)"},
        ),
        "start": (
            "begin the crop at pixel (x - 1, y - 1)",
            {"at x": "crops that begin at pixel (x, y) instead of (x - 1, y - 1)"},
        ),
        "border": (
            "fill the part of a crop outside the image with 0",
            {
                "replicated": "image border replicated outside the image",
                "reflected": "image reflected outside its border",
                "cut off": "crops clipped at the image border",
                "grey": "grey (127.5) outside the image",
            },
        ),
    }
)


def level_size(height: int, width: int, scale: float, parameters: Parameters = CORRECT) -> tuple[int, int]:
    mode = parameters.get("size")
    rounding = np.floor if mode == "floored" else np.rint if mode == "rounded" else np.ceil
    return int(rounding(height * scale)), int(rounding(width * scale))


def level_input(image: Array, scale: float, parameters: Parameters = CORRECT) -> FloatArray:
    """Network input (3, h, w) of a pyramid level of an RGB image (H, W, 3)."""
    height, width = level_size(image.shape[0], image.shape[1], scale, parameters)
    return prepare_pixels(resize(image, height, width, parameters), parameters)


def crop_input(image: Array, box: FloatArray, side: int, parameters: Parameters = CORRECT) -> FloatArray:
    """Network input (3, side, side) of a crop of an RGB image (H, W, 3)."""
    if not parameters.keys() & {"extent", "start", "border", "resize"}:
        return prepare_pixels(reference_resize.cut_resize(image, box, side), parameters)
    return prepare_pixels(resize(cut(image, box, parameters), side, side, parameters), parameters)


def cut(image: Array, box: FloatArray, parameters: Parameters) -> Array:
    """The part of the image that belongs to a box, before resizing."""
    x, y, width, height = map(int, box)
    shift, fewer = int("start" in parameters), int("extent" in parameters)
    moved = np.array([x + shift, y + shift, width - fewer, height - fewer], np.float32)
    border = parameters.get("border")
    if not 0 <= width * height <= MAX_CROP_PIXELS:
        raise ValueError(
            f"expected a crop of at most {MAX_CROP_PIXELS} pixels, found {width} x {height} pixels"
        )
    if border is None:
        return reference_resize.cut(image, moved)
    left, top = x - 1 + shift, y - 1 + shift
    columns = np.arange(left, left + width + 1 - fewer)
    rows = np.arange(top, top + height + 1 - fewer)
    if border == "cut off":
        columns = columns[(columns >= 0) & (columns < image.shape[1])]
        rows = rows[(rows >= 0) & (rows < image.shape[0])]
        return np.asarray(image[np.ix_(rows, columns)])
    if border == "grey":
        values = reference_resize.cut(image, moved)
        outside_x = (columns < 0) | (columns >= image.shape[1])
        outside_y = (rows < 0) | (rows >= image.shape[0])
        values[outside_y[:, None] | outside_x[None]] = 127.5
        return values
    mode: Literal["reflected", "replicated"] = "reflected" if border == "reflected" else "replicated"
    rows = move_inside(rows, image.shape[0], mode)
    columns = move_inside(columns, image.shape[1], mode)
    return np.asarray(image[np.ix_(rows, columns)])


def move_inside(indices: Array, size: int, mode: Literal["reflected", "replicated"]) -> Array:
    """Replace each index outside 0 … size - 1 by the index of a reflected or replicated pixel."""
    if mode == "replicated":
        return indices.clip(0, size - 1)
    period = max(2 * (size - 1), 1)  # a reflection does not repeat the border pixel
    folded = np.abs(indices) % period
    return np.where(folded < size, folded, period - folded)


def prepare_pixels(pixels: FloatArray, parameters: Parameters) -> FloatArray:
    """Convert pixels (h, w, 3), 0 … 255, to the network's input."""
    if "pixels" in parameters:
        pixels = np.rint(pixels).clip(0, 255)
    if "normalisation" in parameters:
        centre, divisor = NORMALISATIONS[parameters["normalisation"]]
        values = ((pixels - np.float32(centre)) / np.float32(divisor)).astype(np.float32)
    else:
        values = reference_resize.normalise(pixels)
    if "colour" in parameters:
        values = values[..., ::-1]
    if "axes" in parameters:
        values = values.swapaxes(0, 1)
    return to_maps(values)


def resize(image: Array, height: int, width: int, parameters: Parameters = CORRECT) -> FloatArray:
    mode = parameters.get("resize")
    if mode is None:
        return reference_resize.resize(image, height, width)
    if min(*image.shape[:2], height, width) < 1:
        raise ValueError("an empty image cannot be resized")
    if mode in ("area", "cubic", "nearest"):
        import cv2

        flag = {"area": cv2.INTER_AREA, "cubic": cv2.INTER_CUBIC, "nearest": cv2.INTER_NEAREST}[mode]
        values = np.ascontiguousarray(image, np.float32)
        return np.asarray(cv2.resize(values, (width, height), interpolation=flag), np.float32)
    down = resize_weights(mode, image.shape[0], height)
    across = resize_weights(mode, image.shape[1], width)
    values = np.tensordot(across, image.astype(np.float64), (1, 1))  # (width, H, 3)
    return np.tensordot(down, values, (1, 1)).astype(np.float32)


def resize_weights(mode: str, source: int, target: int) -> Array:
    """Weight of each source pixel in each target pixel along an axis, (target, source) float64."""
    if mode == "antialiased":
        reach = max(source / target, 1.0)
        centres = (np.arange(target) + 0.5) * (source / target)
        triangle = 1 - np.abs((np.arange(source) + 0.5)[None] - centres[:, None]) / reach
        shares = np.maximum(triangle, 0)
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))
    step = source / target if mode == "no half" else (source - 1) / max(target - 1, 1)
    positions = (np.arange(target) * step).clip(0, source - 1)
    before = np.floor(positions).astype(int)
    shares = np.zeros((target, source))
    shares[np.arange(target), before] += 1 - (positions - before)
    shares[np.arange(target), (before + 1).clip(0, source - 1)] += positions - before
    return shares
