"""The class `Builder`: the part of a network that the reader of a graph has read so far."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ..found import FoundConv, FoundFullyConnected, FoundLayer, count_outputs

DoubleArray = npt.NDArray[np.float64]
# Constants of float32: the relative error of one operation, the smallest positive number, and a power of two
# below the largest number.
ROUNDING, SMALLEST, OVERFLOW = 2.0**-24, 2.0**-149, 2.0**127
SMALL = 0.1  # if the factor is smaller, the graph is assumed to take values 0 … 255


class Builder:
    """The part of a network that was read so far. Only the methods of this class change it.

    Attributes:
        layers: The layers in execution order.
        notes: Remarks that are not errors.
        alterations: Operations of the graph that no layer represents.
        softmax: Name of the Softmax at the end, or "".
        is_over_classes: Whether the Softmax at the end is over the two classes.
        scale: Factor of the image normalisation `v * scale + shift`, with shape (1,) or (3,). None if the
            graph has no normalisation.
        shift: Offset of the image normalisation, with the same shapes as `scale`.
        steps: For each operator of the normalisation: the greatest magnitudes of its factor and of its
            offset.
        shared: Number of layers before the heads. None if the reader has not reached the heads yet.
    """

    def __init__(self) -> None:
        self.layers: tuple[FoundLayer, ...] = ()
        self.notes: tuple[str, ...] = ()
        self.alterations: tuple[str, ...] = ()
        self.softmax = ""
        self.is_over_classes = True
        self.scale: DoubleArray | None = None
        self.shift: DoubleArray | None = None
        self.steps: tuple[tuple[float, float], ...] = ()
        self.shared: int | None = None

    def add(self, layer: FoundLayer) -> None:
        self.check_softmax(f"before {layer.name}")
        self.layers = (*self.layers, layer)

    def check_softmax(self, where: str) -> None:
        """Record a previous Softmax as an alteration, because it is not at the end."""
        if self.softmax:
            self.alter(f"{self.softmax} (Softmax) {where}: it was ignored")
        self.softmax, self.is_over_classes = "", True

    @property
    def all_alterations(self) -> tuple[str, ...]:
        """The alterations. A Softmax at the end is one of them if it is not over the two classes."""
        end = f"{self.softmax} (Softmax) at the end, over other values than the two classes"
        return (*self.alterations, *([end] if not self.is_over_classes else []))

    def alter(self, text: str) -> None:
        self.alterations = (*self.alterations, text)

    @property
    def all_notes(self) -> tuple[str, ...]:
        """The notes. One of them reports a Softmax of the two classes at the end."""
        end = f"{self.softmax} (Softmax) at the end: probabilities, where OpenFace has logits"
        return (*self.notes, *([end] if self.softmax and self.is_over_classes else []))

    def note(self, text: str) -> None:
        self.notes = (*self.notes, text)

    def add_bias(self, bias: npt.NDArray[np.float32]) -> bool:
        """Set the bias of the last layer, and return True.

        Return False if the layer already has a bias, has no weights, or has another number of outputs than
        the bias.
        """
        last = self.layers[-1]
        self.check_softmax("before a bias")
        if not isinstance(last, (FoundConv, FoundFullyConnected)) or last.bias is not None:
            return False
        if count_outputs(last) != bias.size:
            return False
        self.layers = (*self.layers[:-1], replace(last, bias=bias))
        return True

    def normalise(self, factor: DoubleArray, offset: DoubleArray) -> None:
        """Append the step `v * factor + offset` to the normalisation of the image.

        `factor` and `offset` have the shape (1,) or (3,).
        """
        scale = np.ones(1) if self.scale is None else self.scale
        shift = np.zeros(1) if self.shift is None else self.shift
        self.scale, self.shift = scale * factor, shift * factor + offset
        self.steps = (*self.steps, (float(np.abs(factor).max()), float(np.abs(offset).max())))

    @property
    def rounding(self) -> float:
        """Upper bound of the rounding error of the normalisation in float32.

        The input values are assumed to be at most 255 if the factor is below SMALL, otherwise at most 1.
        """
        small = self.scale is not None and float(np.abs(self.scale).max()) < SMALL
        magnitude, error = 255.0 if small else 1.0, 0.0
        for factor, offset in self.steps:
            magnitude = magnitude * factor + offset
            error = error * factor + magnitude * ROUNDING + SMALLEST
            if not magnitude < OVERFLOW:
                return np.inf
        return error

    def fork(self) -> Builder:
        """Return a copy of the network. The caller adds the layers of one head to the copy."""
        result = copy.copy(self)
        result.shared = len(self.layers)
        return result

    def is_like(self, other: Builder) -> bool:
        """Return whether `other` is the same network. A Softmax at the end is ignored."""
        return (
            len(self.layers) == len(other.layers)
            and all(a is b for a, b in zip(self.layers, other.layers, strict=True))
            and self.steps == other.steps
            and self.alterations == other.alterations
        )

    def joined(self, last: Sequence[FoundLayer], heads: Sequence[Builder]) -> Builder:
        """Return a network with the layers before the heads, followed by the layers `last`.

        The result has the notes and alterations of all heads.
        """
        result = copy.copy(self)
        result.layers = (*self.layers[: self.shared], *last)
        result.shared = None
        result.notes = tuple(note for head in heads for note in head.all_notes)
        result.alterations = tuple(text for head in heads for text in head.all_alterations)
        result.softmax, result.is_over_classes = "", True
        return result

    @property
    def head(self) -> tuple[FoundLayer, ...]:
        """The layers of the head that is being read. () if no head has been reached yet."""
        return () if self.shared is None else self.layers[self.shared :]

    @property
    def channels(self) -> int | None:
        """Number of outputs of the last weighted layer. None if there is no weighted layer yet."""
        weighted = [layer for layer in self.layers if isinstance(layer, (FoundConv, FoundFullyConnected))]
        return count_outputs(weighted[-1]) if weighted else None
