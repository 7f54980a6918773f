"""Sizes and axes of the tensors of a graph. They are described by the axes and sizes of the image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..errors import Unsupported
from ..found import NO_PADS, Pads

BATCH = "N"


@dataclass(frozen=True)
class Extent:
    """A size. Its value is `number` times the product of `symbols`, which are sorted."""

    number: int
    symbols: tuple[str, ...] = ()

    def __mul__(self, other: Extent) -> Extent:
        return Extent(self.number * other.number, tuple(sorted(self.symbols + other.symbols)))

    def divided_by(self, other: Extent) -> Extent | None:
        """Return the quotient, or None if the quotient is not a product of an integer and symbols."""
        left = Counter(self.symbols)
        left.subtract(other.symbols)
        if min(left.values(), default=0) < 0 or not other.number or self.number % other.number:
            return None
        return Extent(self.number // other.number, tuple(sorted(left.elements())))

    @property
    def is_known(self) -> bool:
        return not self.symbols

    def __str__(self) -> str:
        factors = [str(self.number)] if self.number != 1 or not self.symbols else []
        return "*".join([*factors, *self.symbols])


ONE = Extent(1)


def product(extents: Iterable[Extent]) -> Extent:
    result = ONE
    for extent in extents:
        result *= extent
    return result


FLOAT32 = 1  # number of the element type float32 in ONNX
UNKNOWN = "?"  # letter of an axis that a Reshape has created by splitting an axis


@dataclass(frozen=True)
class Tensor:
    """A tensor of the graph. It is immutable. Each operator returns a new tensor.

    Attributes:
        name: Name of the tensor.
        axes: The letters of the dimensions of each axis: n (batch), c (channel), y and x. In each axis, the
            dimension that changes slowest comes first. For example, ("n", "c", "y", "x") means maps, ("n",
            "c") means a vector, and ("n", "cyx") means flattened maps. An added axis of size 1 has the
            letters "".
        sizes: The size of the dimension of each letter.
        channels: The channel (0 for R, 1 for G, 2 for B) of each map. It is used only before the first layer.
        pads: Padding of y and x that a Pad has added. The next convolution or pooling applies it.
        filler: Value of the padding.
        element: Number of the element type in ONNX.
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
        """The size of each axis. Raises Unsupported if a size is unknown."""
        if self.is_split:
            raise Unsupported("expected maps or a vector, found a tensor whose channels a Reshape has split")
        return tuple(product(self.sizes[letter] for letter in axis) for axis in self.axes)

    @property
    def is_split(self) -> bool:
        return UNKNOWN in "".join(self.axes)

    @property
    def flat(self) -> bool:
        """Whether the tensor has the axes (N, values). It is then a vector or flattened maps."""
        return len(self.axes) == 2 and self.axes[0] == "n" and self.axes[1] != "" and not self.is_split

    @property
    def order(self) -> str | None:
        """The flattening order of flattened maps, or None for a vector."""
        return self.axes[1] if len(self.axes[1]) == 3 else None

    @property
    def is_transposed(self) -> bool:
        """Whether the axes of maps are (N, C, W, H).

        Raises Unsupported if the axes are neither (N, C, W, H) nor (N, C, H, W).
        """
        if self.axes == ("n", "c", "y", "x"):
            return False
        if self.axes == ("n", "c", "x", "y"):
            return True
        raise Unsupported(f"expected maps (N, C, H, W), found axes {self.layout}")

    @property
    def layout(self) -> str:
        """The axes, as text for an error message."""
        return f"({', '.join(axis or '1' for axis in self.axes)})"

    @property
    def keeps_batch(self) -> bool:
        """Whether the batch is the dimension that changes slowest.

        If a node of the graph removed the batch axis, the result is true only for a fixed batch size of 1.
        """
        dropped = self.sizes["n"] == ONE and "n" not in self.axes and "" not in self.axes
        return dropped or (bool(self.axes) and self.axes[0][:1] == "n")

    def axis(self, index: int) -> str:
        """Return the letters of an axis, or "" if there is no such axis."""
        return self.axes[index] if -len(self.axes) <= index < len(self.axes) else ""

    def per_channel(self, value: np.ndarray, channels: int) -> np.ndarray:
        """Return a constant as an array of shape (1,) or (channels,).

        The shape (1,) means one value for all channels.

        Raises Unsupported if the constant varies along an axis other than the channels.
        """
        shape = tuple(channels if axis == "c" else 1 for axis in self.axes)
        if value.ndim > len(shape) or any(
            size not in (1, own) for size, own in zip(value.shape[::-1], shape[::-1], strict=False)
        ):
            raise Unsupported(
                f"expected a constant with 1 value, or with {channels} values (one per channel of "
                f"{self.layout}), found shape {value.shape}"
            )
        return value.ravel()

    def padded(self, added: Pads) -> Pads:
        """Return the sum of the tensor's own padding and `added`."""
        top, left, bottom, right = (a + b for a, b in zip(self.pads, added, strict=True))
        return top, left, bottom, right

    def resized(self, height: Extent, width: Extent, channels: int) -> Tensor:
        """Return the output of a convolution or pooling. The field `pads` of the output is 0."""
        sizes = {**self.sizes, "y": height, "x": width, "c": Extent(channels)}
        return replace(self, sizes=sizes, pads=NO_PADS, filler=0.0)

    def vector(self, values: int) -> Tensor:
        """Return the output of a fully connected layer."""
        sizes = {"n": self.sizes["n"], "c": Extent(values), "y": ONE, "x": ONE}
        return replace(self, axes=("n", "c"), sizes=sizes)

    def reshaped(self, target: Sequence[Extent]) -> Tensor:
        """Return the tensor with another shape and the same order of values.

        Raises Unsupported if the new shape splits the batch, joins the batch with other axes, or has another
        number of values.
        """
        remaining = [one for one in zip(self.axes, self.shape, strict=True) if one[1] != ONE]
        axes: list[str] = []
        for index, extent in enumerate(target):
            if extent == ONE:
                axes.append("n" if index == 0 and self.sizes["n"] == ONE else "")
            else:
                axes.append(take_axis(remaining, extent, self.sizes))
        if remaining:
            raise Unsupported("expected a shape with the same number of values")
        return replace(self, axes=tuple(axes))


def take_axis(remaining: list[tuple[str, Extent]], extent: Extent, sizes: Mapping[str, Extent]) -> str:
    """Return the letters of the next axis of the new shape.

    This axis consists of one or more old axes, or of a part of an old axis. They are removed from
    `remaining`.
    """
    letters, got = "", ONE
    while remaining and got != extent:
        axis, size = remaining[0]
        whole = extent.divided_by(got * size)
        if whole is not None:
            letters, got = letters + axis, got * size
            remaining.pop(0)
            continue
        rest = size.divided_by(extent)
        if letters or rest is None:
            break
        remaining.pop(0)
        first = axis[:1]
        if len(axis) > 1 and sizes[first] == extent:  # separate axes that an earlier node has joined
            remaining.insert(0, (axis[1:], product(sizes[one] for one in axis[1:])))
            return first
        if axis == UNKNOWN or (axis and "n" not in axis):
            remaining.insert(0, (UNKNOWN, rest))
            return UNKNOWN
        break
    if got != extent:
        raise Unsupported(
            f"expected a shape that keeps the batch and the order of values, found an axis of size {extent}"
        )
    return letters
