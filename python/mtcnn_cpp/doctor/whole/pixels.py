"""From the picture to what enters a network: resizing, cutting and normalising, and how ports do these."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ...reference.cascade import to_maps
from ...reference.resize import cut, cut_resize, normalise
from ...reference.resize import resize as resize_rightly
from ...types import FloatArray
from ..preparations import NORMALISATIONS
from .fault import RIGHT, Array, Knobs, table

LARGEST = 1 << 26  # pixels of a crop
WAYS = list(NORMALISATIONS)
COMMON = (
    *table("colour", "feed R, G, B; OpenCV gives B, G, R", {"bgr": "the picture given as B, G, R"}),
    *table(
        "normalisation",
        f"normalise as {WAYS[0]}",
        {way: f"the picture normalised as {way}" for way in WAYS[1:]},
    ),
    *table(
        "axes",
        "give rows as y and columns as x",
        {"exchanged": "the picture on its side (x and y exchanged)"},
    ),
    *table(
        "resize",
        "resize bilinearly with pixel centres at (d + 0.5) * scale - 0.5, without antialiasing",
        {
            "no half": "resized with a half-pixel error (source = d * scale)",
            "corners": "resized with corners aligned",
            "nearest": "resized to the nearest pixel",
            "area": "resized by areas (OpenCV's INTER_AREA)",
            "cubic": "resized bicubically (OpenCV's INTER_CUBIC)",
            "antialiased": "resized bilinearly with antialiasing (as PIL and torchvision do)",
        },
    ),
    *table("pixels", "keep fractions after resizing", {"rounded": "pixels rounded to 8 bits after resizing"}),
)
LEVEL = (
    *COMMON,
    *table(
        "size",
        "round the size of a level up: ceil(side * scale)",
        {"floored": "the level's size rounded down", "rounded": "the level's size rounded to nearest"},
    ),
)
CROP = (
    *COMMON,
    *table(
        "extent",
        "cut (w + 1) x (h + 1) pixels",
        {"without one": "crops of w x h pixels, without the one more"},
    ),
    *table("start", "begin the cut at pixel (x - 1, y - 1)", {"at x": "crops that begin at pixel (x, y)"}),
    *table(
        "border",
        "fill with 0 where a crop reaches beyond the picture",
        {
            "replicated": "the picture's border repeated outside it",
            "reflected": "the picture reflected outside it",
            "cut off": "crops cut off at the picture's border",
            "grey": "grey (127.5) outside the picture",
        },
    ),
)


def level_size(height: int, width: int, scale: float, knobs: Knobs = RIGHT) -> tuple[int, int]:
    way = knobs.get("size")
    rounding = np.floor if way == "floored" else np.rint if way == "rounded" else np.ceil
    return int(rounding(height * scale)), int(rounding(width * scale))


def level(picture: Array, scale: float, knobs: Knobs = RIGHT) -> FloatArray:
    """A level's maps (3, h, w) of a picture (H, W, 3), R, G, B."""
    height, width = level_size(picture.shape[0], picture.shape[1], scale, knobs)
    return entering(resize(picture, height, width, knobs), knobs)


def crop(picture: Array, box: FloatArray, side: int, knobs: Knobs = RIGHT) -> FloatArray:
    """A crop's maps (3, side, side) of a picture (H, W, 3), R, G, B."""
    if not knobs.keys() & {"extent", "start", "border", "resize"}:
        return entering(cut_resize(picture, box, side), knobs)
    return entering(resize(patch(picture, box, knobs), side, side, knobs), knobs)


def patch(picture: Array, box: FloatArray, knobs: Knobs) -> Array:
    """The piece that is cut out, before it is resized."""
    x, y, width, height = map(int, box)
    shift, more = int("start" in knobs), int("extent" in knobs)
    moved = np.array([x + shift, y + shift, width - more, height - more], np.float32)
    border = knobs.get("border")
    if not 0 <= width * height <= LARGEST:
        raise ValueError(f"a crop of {width} x {height} pixels")
    if border is None:
        return cut(picture, moved)
    left, top = x - 1 + shift, y - 1 + shift
    columns = np.arange(left, left + width + 1 - more)
    rows = np.arange(top, top + height + 1 - more)
    if border == "cut off":
        columns = columns[(columns >= 0) & (columns < picture.shape[1])]
        rows = rows[(rows >= 0) & (rows < picture.shape[0])]
        return np.asarray(picture[np.ix_(rows, columns)])
    if border == "grey":
        values = cut(picture, moved)
        outside_x = (columns < 0) | (columns >= picture.shape[1])
        outside_y = (rows < 0) | (rows >= picture.shape[0])
        values[outside_y[:, None] | outside_x[None]] = 127.5
        return values
    mode: Literal["reflected", "replicated"] = "reflected" if border == "reflected" else "replicated"
    rows, columns = inside(rows, picture.shape[0], mode), inside(columns, picture.shape[1], mode)
    return np.asarray(picture[np.ix_(rows, columns)])


def inside(places: Array, size: int, mode: Literal["reflected", "replicated"]) -> Array:
    """Places outside 0 … size - 1 brought inside."""
    if mode == "replicated":
        return places.clip(0, size - 1)
    period = max(2 * (size - 1), 1)  # the border itself is not repeated
    folded = np.abs(places) % period
    return np.where(folded < size, folded, period - folded)


def entering(pixels: FloatArray, knobs: Knobs) -> FloatArray:
    """Pixels (h, w, 3) 0 … 255 as maps."""
    if "pixels" in knobs:
        pixels = np.rint(pixels).clip(0, 255)
    if "normalisation" in knobs:
        centre, divisor = NORMALISATIONS[knobs["normalisation"]]
        values = ((pixels - np.float32(centre)) / np.float32(divisor)).astype(np.float32)
    else:
        values = normalise(pixels)
    if "colour" in knobs:
        values = values[..., ::-1]
    if "axes" in knobs:
        values = values.swapaxes(0, 1)
    return to_maps(values)


def resize(image: Array, height: int, width: int, knobs: Knobs = RIGHT) -> FloatArray:
    """Pixels at another size, float32."""
    way = knobs.get("resize")
    if way is None:
        return resize_rightly(image, height, width)
    if min(*image.shape[:2], height, width) < 1:
        raise ValueError("nothing to resize")
    if way in ("area", "cubic", "nearest"):
        import cv2

        flag = {"area": cv2.INTER_AREA, "cubic": cv2.INTER_CUBIC, "nearest": cv2.INTER_NEAREST}[way]
        values = np.ascontiguousarray(image, np.float32)
        return np.asarray(cv2.resize(values, (width, height), interpolation=flag), np.float32)
    down, across = (weights(way, *sizes) for sizes in ((image.shape[0], height), (image.shape[1], width)))
    values = np.tensordot(across, image.astype(np.float64), (1, 1))  # (width, H, 3)
    return np.tensordot(down, values, (1, 1)).astype(np.float32)


def weights(way: str, source: int, target: int) -> Array:
    """The share of each source pixel in each target pixel along an axis, (target, source) float64."""
    if way == "antialiased":
        reach = max(source / target, 1.0)
        centres = (np.arange(target) + 0.5) * (source / target)
        triangle = 1 - np.abs((np.arange(source) + 0.5)[None] - centres[:, None]) / reach
        shares = np.maximum(triangle, 0)
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))
    step = source / target if way == "no half" else (source - 1) / max(target - 1, 1)
    places = (np.arange(target) * step).clip(0, source - 1)
    before = np.floor(places).astype(int)
    shares = np.zeros((target, source))
    shares[np.arange(target), before] += 1 - (places - before)
    shares[np.arange(target), (before + 1).clip(0, source - 1)] += places - before
    return shares
