"""A network as it was found in somebody's file: what it really computes, mistakes and all.

Every reader (ONNX, state_dict, lists of arrays) gives this; `assemble` makes a Network of it, `diagnose`
says what is wrong with it. Kernels are always (out, in, kernel_y, kernel_x), dense weights (in, out),
float32.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from ..reference.plan import pooled_size
from ..types import FloatArray

Pads: TypeAlias = tuple[int, int, int, int]  # top, left, bottom, right
NO_PADS: Pads = (0, 0, 0, 0)


@dataclass(frozen=True, eq=False)
class FoundConv:
    """A convolution. `bias` None: the file has none."""

    name: str
    kernel: FloatArray
    bias: FloatArray | None
    pads: Pads = NO_PADS
    strides: tuple[int, int] = (1, 1)


@dataclass(frozen=True, eq=False)
class FoundDense:
    """A dense layer. `order`: how its input is laid flat, if maps enter (see `flat`); None: not known or a
    vector."""

    name: str
    weights: FloatArray
    bias: FloatArray | None
    order: str | None = None


@dataclass(frozen=True)
class FoundPool:
    """Max pooling, (y, x). `mode`: how the number of windows is found: "ceil", "floor", "same" (one window
    per stride, padding as needed), or "unknown": the file does not say, so as OpenFace."""

    name: str
    kernel: tuple[int, int]
    strides: tuple[int, int]
    pads: Pads = NO_PADS
    mode: str = "ceil"

    def windows(self, size: int, axis: int) -> tuple[int, int]:
        """Padding before the first value and number of windows, along an axis (0 y, 1 x) of `size` values."""
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
    """`v >= 0 ? v : v * slope`; slopes (channels,), or (1,) where one slope serves all. `kind`: the
    operator."""

    name: str
    kind: str  # "PRelu", "LeakyRelu", "Relu", "Sigmoid"
    slopes: FloatArray


FoundLayer: TypeAlias = FoundConv | FoundDense | FoundPool | FoundActivation


@dataclass(frozen=True, eq=False)
class FoundNetwork:
    """`layers` in execution order. The heads are joined into the last one: where they were separate, as
    class, box, landmarks; else as they stood.

    `complete`: the file states pooling and padding (a graph does, a table of weights does not). `scale`,
    `shift`: what the graph itself does to its input first, `v * scale + shift`, per map or one for all.
    `notes`: what was seen on the way and is no mistake.
    """

    source: str
    layers: tuple[FoundLayer, ...]
    complete: bool
    scale: FloatArray | None = None
    shift: FloatArray | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def weighted(self) -> tuple[FoundConv | FoundDense, ...]:
        return tuple(layer for layer in self.layers if isinstance(layer, (FoundConv, FoundDense)))
