"""Types of arrays and callbacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float32]
DoubleArray: TypeAlias = NDArray[np.float64]
Image: TypeAlias = NDArray[np.uint8] | NDArray[np.float32]  # (H, W, channels)

StageName: TypeAlias = Literal["pnet", "rnet", "onet"]

# Result of a detection: boxes (N, 4), scores (N,), landmarks (N, 5, 2).
Faces: TypeAlias = tuple[FloatArray, FloatArray, FloatArray]


class CancellationSource(Protocol):
    """Cancels detections. After `set()` is called, detections that received this object raise `Cancelled`."""

    def set(self) -> None: ...

    def is_set(self) -> bool: ...


class Cancelled(RuntimeError):
    """A detection was cancelled."""


# Called as hook(name, array) in execution order, with read-only arrays. The names are the tensor names of
# traces.
Hook: TypeAlias = Callable[[str, NDArray[Any]], None]
