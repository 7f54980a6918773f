"""The greatest magnitude of each layer of a trace: what a tolerance of kind `share` is a share of."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..file.trace import Trace
from ..names import template


def greatest(array: NDArray[Any]) -> float:
    """The greatest magnitude among the finite elements; 0 where there are none."""
    finite = array[np.isfinite(array)]
    return float(max(finite.max(), -float(finite.min()))) if finite.size else 0.0


class Magnitudes:
    """By a tensor's name, the greatest magnitude of its layer over all levels or crops.

    The tensors of a layer are read when it is first asked for.
    """

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._names: dict[str, list[str]] = defaultdict(list)
        self._found: dict[str, float] = {}
        for name in trace:
            self._names[template(name)].append(name)

    def __getitem__(self, name: str) -> float:
        layer = template(name)
        if layer not in self._found:
            self._found[layer] = max(greatest(self._trace[each]) for each in self._names[layer])
        return self._found[layer]
