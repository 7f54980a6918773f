"""Collecting what another runtime computes: batches under patterns of names become tensors of a trace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...types import Color, ImageLike
from ..errors import TraceError
from ..file.trace import Trace, frozen

NETWORKS = ("pnet", "rnet", "onet", "final")
WIDTHS = {"level": 2, "crop": 3}


class Batches:
    """Tensors by name, in the order of a detection whatever the order in which they come.

    A name may be a pattern: `rnet/crop*/conv1` takes a batch (N, C, h, w) apart, each item one crop, and
    goes on counting with the next batch; so does `pnet/level*/conv1`, for which every level is a batch of 1.
    """

    def __init__(self) -> None:
        self._tensors: dict[str, NDArray[Any]] = {}
        self._counts: Counter[str] = Counter()
        self._order: dict[str, int] = {}

    def add(self, name: str, array: NDArray[Any]) -> None:
        """One batch or tensor. TraceError for a name that came before, or a pattern that is none."""
        self._order.setdefault(name, len(self._order))
        if "*" not in name:
            self._put(name, array, name)
            return
        before, _, after = name.partition("*")
        kind = before.rpartition("/")[2]
        if kind not in WIDTHS or "*" in after or array.ndim == 0:
            raise TraceError(f"{name}: expected a name such as rnet/crop*/conv1, and an array of items")
        for item in array:
            self._put(f"{before}{self._counts[name]:0{WIDTHS[kind]}d}{after}", item, name)
            self._counts[name] += 1

    def _put(self, name: str, array: NDArray[Any], pattern: str) -> None:
        if name in self._tensors:
            raise TraceError(f"two tensors have the name {name!r}")
        self._tensors[name] = frozen(array)
        self._order[name] = self._order[pattern]

    def trace(
        self,
        *,
        picture: ImageLike | None = None,
        color: Color = "bgr",
        options: Mapping[str, Any] | None = None,
        source: str = "trace",
    ) -> Trace:
        """All of it as a trace. picture, color: what the detection looked at, as for `Detector.detect`."""
        names = sorted(self._tensors, key=self._place)
        tensors = {name: self._tensors[name] for name in names}
        return Trace.from_arrays(tensors, picture=picture, color=color, options=options or {}, source=source)

    def _place(self, name: str) -> tuple[int, str, int]:
        """Network by network, levels and crops by number, then as they came."""
        network, _, rest = name.partition("/")
        place = rest.rpartition("/")[0]
        number = NETWORKS.index(network) if network in NETWORKS else len(NETWORKS)
        return number, place or "~", self._order[name]


def as_array(values: Any) -> NDArray[Any]:
    """A NumPy array of what a runtime gives: an array, or a tensor of PyTorch's on any device."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        if str(values.dtype) == "torch.bfloat16":  # NumPy has no such type; every value fits float32
            values = values.float()
        values = values.numpy()
    return np.asarray(values)
