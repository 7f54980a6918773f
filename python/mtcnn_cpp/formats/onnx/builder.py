"""The network that grows while a graph is read."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ..found import FoundConv, FoundDense, FoundLayer
from ..recognise import output_count

Wide = npt.NDArray[np.float64]
# Of float32: the relative error of one operation, the smallest number, and the largest.
ROUNDING, TINIEST, OVERFLOW = 2.0**-24, 2.0**-149, 2.0**127
SMALL = 0.1  # a factor below it is applied to pixels 0 … 255


class Builder:
    """What has been read so far. It is changed by its methods only.

    `shared`: how many layers the heads have in common; None before the network divides. `softmax`: the name
    of the one at the end, empty without; `of_classes`: it is over the two classes. `alterations`: what the
    graph does to its numbers that no layer holds. `steps`: the factor and the offset of each operator that
    is applied to the image first.
    """

    def __init__(self) -> None:
        self.layers: tuple[FoundLayer, ...] = ()
        self.notes: tuple[str, ...] = ()
        self.alterations: tuple[str, ...] = ()
        self.softmax = ""
        self.of_classes = True
        self.scale: Wide | None = None
        self.shift: Wide | None = None
        self.steps: tuple[tuple[float, float], ...] = ()
        self.shared: int | None = None

    def add(self, layer: FoundLayer) -> None:
        self.check_softmax(f"before {layer.name}")
        self.layers = (*self.layers, layer)

    def check_softmax(self, where: str) -> None:
        """A Softmax that is not at the end is no layer of the network."""
        if self.softmax:
            self.alter(f"{self.softmax} (Softmax) {where}: it was not read")
        self.softmax, self.of_classes = "", True

    @property
    def all_alterations(self) -> tuple[str, ...]:
        """The alterations, and one for a Softmax of other values at the end."""
        end = f"{self.softmax} (Softmax) at the end, over other values than the two classes"
        return (*self.alterations, *([end] if not self.of_classes else []))

    def alter(self, text: str) -> None:
        self.alterations = (*self.alterations, text)

    @property
    def all_notes(self) -> tuple[str, ...]:
        """The notes, and one for a Softmax of the classes at the end."""
        end = f"{self.softmax} (Softmax) at the end: probabilities, where OpenFace has logits"
        return (*self.notes, *([end] if self.softmax and self.of_classes else []))

    def note(self, text: str) -> None:
        self.notes = (*self.notes, text)

    def add_bias(self, bias: npt.NDArray[np.float32]) -> bool:
        """Give the last layer this bias; False where it cannot have it: it has one, or other outputs."""
        last = self.layers[-1]
        self.check_softmax("before a bias")
        if not isinstance(last, (FoundConv, FoundDense)) or last.bias is not None:
            return False
        if output_count(last) != bias.size:
            return False
        self.layers = (*self.layers[:-1], replace(last, bias=bias))
        return True

    def normalise(self, factor: Wide, offset: Wide) -> None:
        """`v * factor + offset` of the image, after what has been done to it before; (1,) or (3,) each."""
        scale = np.ones(1) if self.scale is None else self.scale
        shift = np.zeros(1) if self.shift is None else self.shift
        self.scale, self.shift = scale * factor, shift * factor + offset
        self.steps = (*self.steps, (float(np.abs(factor).max()), float(np.abs(offset).max())))

    @property
    def rounding(self) -> float:
        """At most how far float32 takes the normalised image from exact arithmetic. Pixels reach 255; if the
        factor is that of a normalised image, its values reach 1."""
        small = self.scale is not None and float(np.abs(self.scale).max()) < SMALL
        magnitude, error = 255.0 if small else 1.0, 0.0
        for factor, offset in self.steps:
            magnitude = magnitude * factor + offset
            error = error * factor + magnitude * ROUNDING + TINIEST
            if not magnitude < OVERFLOW:
                return np.inf
        return error

    def fork(self) -> Builder:
        """A copy that goes on with one of the heads."""
        result = copy.copy(self)
        result.shared = len(self.layers)
        return result

    def is_like(self, other: Builder) -> bool:
        """Whether it is the same network with nothing but a Softmax added."""
        return (
            len(self.layers) == len(other.layers)
            and all(a is b for a, b in zip(self.layers, other.layers, strict=True))
            and self.steps == other.steps
            and self.alterations == other.alterations
        )

    def joined(self, last: Sequence[FoundLayer], heads: Sequence[Builder]) -> Builder:
        """The shared layers with the heads' in one; what the heads note and alter is kept."""
        result = copy.copy(self)
        result.layers = (*self.layers[: self.shared], *last)
        result.shared = None
        result.notes = tuple(note for head in heads for note in head.all_notes)
        result.alterations = tuple(text for head in heads for text in head.all_alterations)
        result.softmax, result.of_classes = "", True
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
