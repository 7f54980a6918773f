"""A network as it was found in somebody's file: what it really computes, mistakes and all.

Every reader gives this. `assemble` makes a Network of it; the doctor says what is wrong with it. Kernels are
(out, in, kernel_y, kernel_x), dense weights (in, out), biases and slopes (channels,), all float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from ..reference.plan import pooled_size
from ..types import FloatArray, StageName
from .errors import PortError

if TYPE_CHECKING:
    import onnx

Pads: TypeAlias = tuple[int, int, int, int]  # top, left, bottom, right
NO_PADS: Pads = (0, 0, 0, 0)


def check_sizes(name: str, sizes: tuple[int, ...]) -> None:
    if min(sizes) < 1:
        raise PortError(f"{name}: expected windows and strides of 1 or more, found {sizes}")


@dataclass(frozen=True, eq=False)
class FoundConv:
    """A convolution. `bias` None: the file has none."""

    name: str
    kernel: FloatArray
    bias: FloatArray | None
    pads: Pads = NO_PADS
    strides: tuple[int, int] = (1, 1)

    def __post_init__(self) -> None:
        check_sizes(self.name, self.strides)


@dataclass(frozen=True, eq=False)
class FoundDense:
    """A dense layer. `order`: how the maps that enter are laid flat (see `flat`); None where a vector enters
    or the order is not known."""

    name: str
    weights: FloatArray
    bias: FloatArray | None
    order: str | None = None


@dataclass(frozen=True)
class FoundPool:
    """Max pooling; kernel and strides as (y, x).

    `mode` says how many windows there are: "ceil" and "floor" round their number up and down, "same" makes
    one for every stride and pads as needed. "unknown": the file does not say; taken as OpenFace's rule.
    """

    name: str
    kernel: tuple[int, int]
    strides: tuple[int, int]
    pads: Pads = NO_PADS
    mode: str = "ceil"

    def __post_init__(self) -> None:
        check_sizes(self.name, self.kernel + self.strides)

    def windows(self, size: int, axis: int) -> tuple[int, int]:
        """Padding before the first value, and number of windows, along an axis (0: y, 1: x) of `size`
        values."""
        kernel, stride = self.kernel[axis], self.strides[axis]
        if self.mode == "same":
            count = -(-size // stride)
            return max((count - 1) * stride + kernel - size, 0) // 2, count
        begin = self.pads[axis]
        room = begin + size + self.pads[axis + 2] - kernel
        if self.mode == "unknown":
            return begin, pooled_size(size, kernel, stride)
        if self.mode == "floor":
            return begin, room // stride + 1
        count = -(-room // stride) + 1
        return begin, count - 1 if (count - 1) * stride >= begin + size else count  # none starts past the end


@dataclass(frozen=True, eq=False)
class FoundActivation:
    """`v >= 0 ? v : v * slope`, or a sigmoid. `kind`: "PRelu", "LeakyRelu", "Relu" or "Sigmoid". slopes
    (channels,), or (1,) for all channels; a sigmoid does not use them."""

    name: str
    kind: str
    slopes: FloatArray


FoundLayer: TypeAlias = FoundConv | FoundDense | FoundPool | FoundActivation


@dataclass(frozen=True, eq=False)
class FoundGraph:
    """The graph that a network was read from, so that it can be run and compared with what was read.
    `picture`: the name of its input, which is (N, H, W, 3) where `channels_last`, else (N, 3, H, W)."""

    model: onnx.ModelProto
    picture: str
    channels_last: bool


@dataclass(frozen=True, eq=False)
class FoundNetwork:
    """One network: `layers` in execution order, the heads joined into the last one.

    `source`: the file, for errors and reports. `complete`: the file states pooling and padding; a graph does,
    a table of weights does not. `scale`, `shift`: what a graph itself does to the picture first, `v * scale +
    shift`, of shape (1,), or (3,) for one value a map. `notes`: what was seen and is no mistake. `graph`:
    None for a file of weights. `alterations`: what a graph does to its numbers that no layer here holds, such
    as a Softmax in the middle; a network with one is not what the graph computes.
    """

    source: str
    layers: tuple[FoundLayer, ...]
    complete: bool
    scale: FloatArray | None = None
    shift: FloatArray | None = None
    notes: tuple[str, ...] = ()
    graph: FoundGraph | None = None
    alterations: tuple[str, ...] = ()

    @property
    def weighted(self) -> tuple[FoundConv | FoundDense, ...]:
        """The convolutions and dense layers."""
        return tuple(layer for layer in self.layers if isinstance(layer, (FoundConv, FoundDense)))


FoundNetworks: TypeAlias = dict[StageName, FoundNetwork]
