"""The network that grows while a graph is read."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np

from ...types import FloatArray
from ..found import FoundConv, FoundDense, FoundLayer
from ..recognise import output_count


class Builder:
    """What has been read so far. It is changed by its methods only.

    `shared`: how many layers the heads have in common; None before the network divides. `softmax`: the names
    of those that no layer has followed yet.
    """

    def __init__(self) -> None:
        self.layers: tuple[FoundLayer, ...] = ()
        self.notes: tuple[str, ...] = ()
        self.softmax: tuple[str, ...] = ()
        self.scale: FloatArray | None = None
        self.shift: FloatArray | None = None
        self.shared: int | None = None

    def add(self, layer: FoundLayer) -> None:
        for name in self.softmax:
            self.note(f"{name} (Softmax) before {layer.name}: it was not read")
        self.softmax = ()
        self.layers = (*self.layers, layer)

    @property
    def all_notes(self) -> tuple[str, ...]:
        """The notes, and one for each Softmax at the end."""
        told = (
            f"{name} (Softmax) at the end: probabilities, where OpenFace has logits" for name in self.softmax
        )
        return (*self.notes, *told)

    def note(self, text: str) -> None:
        self.notes = (*self.notes, text)

    def add_bias(self, bias: FloatArray) -> bool:
        """Give the last layer this bias; False where it cannot have it: it has one, or other outputs."""
        last = self.layers[-1]
        if not isinstance(last, (FoundConv, FoundDense)) or last.bias is not None:
            return False
        if output_count(last) != bias.size:
            return False
        self.layers = (*self.layers[:-1], replace(last, bias=bias))
        return True

    def normalise(self, factor: FloatArray, offset: FloatArray) -> None:
        """`v * factor + offset` of the picture, after what has been done to it before; (1,) or (3,) each."""
        scale = np.ones(1, np.float32) if self.scale is None else self.scale
        shift = np.zeros(1, np.float32) if self.shift is None else self.shift
        self.scale, self.shift = scale * factor, shift * factor + offset

    def fork(self) -> Builder:
        """A copy that goes on with one of the heads."""
        result = copy.copy(self)
        result.shared = len(self.layers)
        return result

    @property
    def head(self) -> tuple[FoundLayer, ...]:
        """The layers since the network divided; none before."""
        return () if self.shared is None else self.layers[self.shared :]

    @property
    def channels(self) -> int | None:
        """How many outputs the last weighted layer has; None before the first."""
        weighted = [layer for layer in self.layers if isinstance(layer, (FoundConv, FoundDense))]
        return output_count(weighted[-1]) if weighted else None
