"""Any tensor as maps (channels, height, width): what the page draws and how an element is found in it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class View:
    """`channels` maps of height x width. `kind`: "maps" of (C, H, W); "table" with a row for each box of
    (N, k) or (N, 5, 2); "map" of (H, W); "vector" of (N,); "stack" of arrays of more axes."""

    kind: str
    channels: int
    height: int
    width: int

    def of(self, array: NDArray[Any]) -> NDArray[Any]:
        """The array in that shape; nothing is copied."""
        return array.reshape(self.channels, self.height, self.width)


def view_of(shape: tuple[int, ...], layout: str) -> View:
    """The view of a tensor, by its shape and the layout in the manifest."""
    if len(shape) <= 1:
        return View("vector", 1, 1, math.prod(shape))
    if layout.startswith("box"):
        return View("table", 1, shape[0], math.prod(shape[1:]))
    if len(shape) == 2:
        return View("map", 1, *shape)
    kind = "maps" if len(shape) == 3 else "stack"
    return View(kind, math.prod(shape[:-2]), *shape[-2:])
