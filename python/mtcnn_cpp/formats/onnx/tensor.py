"""The layout of the tensor that the reader has come to, in terms of the image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..errors import Unsupported
from ..found import NO_PADS, Pads
from .extent import BATCH, ONE, Extent, product

FLOAT32 = 1  # ONNX's number of the element type
UNKNOWN = "?"  # an axis that is a part of another one: of a vector that was split


@dataclass(frozen=True)
class Tensor:
    """A tensor of the graph. An operator never changes it; it returns another one.

    `axes`: for each axis the letters of what lies along it, the slowest first: n (batch), c (channel), y, x.
    So ("n", "c", "y", "x") for maps, ("n", "c") for a vector, ("n", "cyx") for flattened maps; empty for an
    axis of size 1 that was added. `sizes`: the size of each letter. `channels`: which of R, G, B each map is,
    before the first layer. `pads`, `filler`: what a Pad has added to y and x, for the next convolution or
    pooling, and its value. `element`: ONNX's number of the element type.
    """

    name: str
    axes: tuple[str, ...]
    sizes: Mapping[str, Extent] = field(default_factory=dict)
    channels: tuple[int, ...] = (0, 1, 2)
    pads: Pads = NO_PADS
    filler: float = 0.0
    element: int = FLOAT32

    @property
    def shape(self) -> tuple[Extent, ...]:
        """The size of each axis. Unsupported for one that is not known."""
        if self.is_split:
            raise Unsupported("expected maps or a vector, found one whose channels were split by a Reshape")
        return tuple(product(self.sizes[letter] for letter in axis) for axis in self.axes)

    @property
    def is_split(self) -> bool:
        return UNKNOWN in "".join(self.axes)

    @property
    def flat(self) -> bool:
        """Whether it is (N, values): a vector, or flattened maps."""
        return len(self.axes) == 2 and self.axes[0] == "n" and self.axes[1] != "" and not self.is_split

    @property
    def order(self) -> str | None:
        """The order in which maps were flattened; None for a vector."""
        return self.axes[1] if len(self.axes[1]) == 3 else None

    @property
    def sideways(self) -> bool:
        """Whether its rows run along the image's x. Unsupported for anything but maps, channels first."""
        if self.axes == ("n", "c", "y", "x"):
            return False
        if self.axes == ("n", "c", "x", "y"):
            return True
        raise Unsupported(f"expected maps (N, C, H, W), found axes {self.layout}")

    @property
    def layout(self) -> str:
        """Its axes in an error's words."""
        return f"({', '.join(axis or '1' for axis in self.axes)})"

    @property
    def keeps_batch(self) -> bool:
        """Whether the batch is the slowest of its axes; or it has one item by the graph's own statement, and
        its axis was taken out."""
        dropped = self.sizes["n"] == ONE and "n" not in self.axes and "" not in self.axes
        return dropped or (bool(self.axes) and self.axes[0][:1] == "n")

    def axis(self, index: int) -> str:
        """The letters of an axis; empty if there is no such axis."""
        return self.axes[index] if -len(self.axes) <= index < len(self.axes) else ""

    def per_channel(self, value: np.ndarray, channels: int) -> np.ndarray:
        """The values that a constant gives each channel, (1,) or (channels,). Unsupported for a constant that
        lies along another axis."""
        shape = tuple(channels if axis == "c" else 1 for axis in self.axes)
        if value.ndim > len(shape) or any(
            size not in (1, own) for size, own in zip(value.shape[::-1], shape[::-1], strict=False)
        ):
            raise Unsupported(
                f"expected a constant for all values or for each of {channels} channels of {self.layout}, "
                f"found shape {value.shape}"
            )
        return value.ravel()

    def padded(self, added: Pads) -> Pads:
        """Its own padding and `added`, all in terms of the image."""
        top, left, bottom, right = (a + b for a, b in zip(self.pads, added, strict=True))
        return top, left, bottom, right

    def resized(self, height: Extent, width: Extent, channels: int) -> Tensor:
        """What leaves a convolution or a pooling, which has used up the padding."""
        sizes = {**self.sizes, "y": height, "x": width, "c": Extent(channels)}
        return replace(self, sizes=sizes, pads=NO_PADS, filler=0.0)

    def vector(self, values: int) -> Tensor:
        """What leaves a fully connected layer."""
        sizes = {"n": self.sizes["n"], "c": Extent(values), "y": ONE, "x": ONE}
        return replace(self, axes=("n", "c"), sizes=sizes)

    def reshaped(self, target: Sequence[Extent]) -> Tensor:
        """With the axes of a shape in which every value keeps its place in memory and items of a batch stay
        apart. Unsupported for any other shape."""
        waiting = [one for one in zip(self.axes, self.shape, strict=True) if one[1] != ONE]
        axes: list[str] = []
        for index, extent in enumerate(target):
            if extent == ONE:
                axes.append("n" if index == 0 and self.sizes["n"] == ONE else "")
            else:
                axes.append(take(waiting, extent, self.sizes))
        if waiting:
            raise Unsupported("expected a shape of as many values")
        return replace(self, axes=tuple(axes))


def take(waiting: list[tuple[str, Extent]], extent: Extent, sizes: Mapping[str, Extent]) -> str:
    """The letters of the next axis, of that size: whole axes joined, or a part of one."""
    letters, got = "", ONE
    while waiting and got != extent:
        axis, size = waiting[0]
        whole = extent.divided_by(got * size)
        if whole is not None:
            letters, got = letters + axis, got * size
            waiting.pop(0)
            continue
        rest = size.divided_by(extent)
        if letters or rest is None:
            break
        waiting.pop(0)
        first = axis[:1]
        if len(axis) > 1 and sizes[first] == extent:  # joined before, and taken apart again
            waiting.insert(0, (axis[1:], product(sizes[one] for one in axis[1:])))
            return first
        if axis == UNKNOWN or (axis and "n" not in axis):
            waiting.insert(0, (UNKNOWN, rest))
            return UNKNOWN
        break
    if got != extent:
        raise Unsupported(
            f"expected a shape that keeps items and values in their order, found an axis of {extent}"
        )
    return letters


def batch_extent(stated: int) -> Extent:
    """Of the batch: as stated, or any."""
    return Extent(stated) if stated else Extent(1, (BATCH,))
