"""Maps as one picture: a tile a channel, all in the same colours."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..image.opencv import opencv

WIDTH = 960  # pixels of the whole, about
SPARSE = 700  # pixels of one tile at most; larger maps are thinned out
GAP = 2
BACKGROUND = 128
NOT_FINITE = (255, 0, 255)  # B, G, R


def map_grid(maps: NDArray[Any]) -> tuple[bytes, int, int]:
    """A PNG of maps (C, h, w) in rows from left to right: dark blue is the least finite value of all, yellow
    the greatest, magenta what is not finite. Also the number of tiles in a row, and that of every how
    many values are shown along each axis."""
    cv2 = opencv("showing maps")
    step = math.ceil(max(maps.shape[1:]) / SPARSE)
    maps = maps[:, ::step, ::step]
    count, height, width = maps.shape
    beside = max(1, min(count, round(math.sqrt(count * 1.8 * height / width))))
    factor = max(1, min(16, WIDTH // (max(beside, 2) * width), SPARSE // height))
    tiles = np.repeat(np.repeat(_coloured(cv2, maps), factor, axis=1), factor, axis=2)
    rows = -(-count // beside)
    high, wide = height * factor + GAP, width * factor + GAP
    whole = np.full((rows * high - GAP, beside * wide - GAP, 3), BACKGROUND, np.uint8)
    for index, tile in enumerate(tiles):
        top, left = index // beside * high, index % beside * wide
        whole[top : top + high - GAP, left : left + wide - GAP] = tile
    return cv2.imencode(".png", whole)[1].tobytes(), beside, step


def _coloured(cv2: Any, maps: NDArray[Any]) -> NDArray[np.uint8]:
    """(C, h, w, 3) uint8, B, G, R."""
    good = np.isfinite(maps)
    values = maps.astype(np.float64)
    low, high = finite_range(values)
    span = high - low if high > low else 1.0
    levels = np.where(good, np.rint((np.where(good, values, low) - low) / span * 255), 0).astype(np.uint8)
    flat = levels.reshape(-1, 1)
    coloured: NDArray[np.uint8] = cv2.applyColorMap(flat, cv2.COLORMAP_VIRIDIS).reshape(*maps.shape, 3)
    coloured[~good] = NOT_FINITE
    return coloured


def finite_range(values: NDArray[Any]) -> tuple[float, float]:
    """The least and the greatest finite value; 0, 0 where there is none."""
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def input_picture(pixels: NDArray[Any]) -> bytes:
    """A PNG of what enters a network, (3, h, w), R, G, B, as the picture that it was: v * 128 + 127.5."""
    cv2 = opencv("showing maps")
    height, width = pixels.shape[1:]
    values = pixels[::-1].transpose(1, 2, 0).astype(np.float64) * 128 + 127.5
    good = np.isfinite(values)
    picture = np.where(good, np.clip(np.rint(np.where(good, values, 0)), 0, 255), NOT_FINITE)
    step, factor = math.ceil(max(height, width) / WIDTH), max(1, min(8, 384 // max(height, width)))
    shown = np.repeat(np.repeat(picture.astype(np.uint8)[::step, ::step], factor, axis=0), factor, axis=1)
    png: bytes = cv2.imencode(".png", shown)[1].tobytes()
    return png
