"""The shared names of array types and callbacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float32]
DoubleArray: TypeAlias = NDArray[np.float64]
Image: TypeAlias = NDArray[np.uint8] | NDArray[np.float32]  # (H, W, channels)

StageName: TypeAlias = Literal["pnet", "rnet", "onet"]

# What a detection gives: boxes (N, 4), scores (N,), landmarks (N, 5, 2).
Faces: TypeAlias = tuple[FloatArray, FloatArray, FloatArray]


class Stop(Protocol):
    """Asks detections to end: those that were given it look at it between steps, and raise `Stopped`."""

    def set(self) -> None: ...

    def is_set(self) -> bool: ...


class Stopped(RuntimeError):
    """A detection was asked to end."""


# Called as tap(name, array) in order of execution, with read-only arrays and the names of HACKING.md.
Tap: TypeAlias = Callable[[str, NDArray[Any]], None]
