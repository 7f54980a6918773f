"""One frame of a video, or of a file with several pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Frame:
    """index: in its source, from 0. time: seconds from the start of the source, NaN where there are no times
    (pages). pixels: (H, W, 3) in the order B, G, R; uint8, or uint16 or float32 of a picture. error: why the
    frame could not be read; its pixels then have the shape (0, 0, 3)."""

    index: int
    time: float
    pixels: NDArray[Any]
    error: str = ""
