"""Networks: layers as frozen dataclasses, in order."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from .types import FloatArray

SIZE_LIMIT = 1 << 30  # bytes that one array may have
INT32_MAX = (1 << 31) - 1


class _Frozen:
    """Pickled and copied as the arguments of its constructor, which checks them and freezes its arrays."""

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(vars(self).values())

    def __repr__(self) -> str:
        fields = (f"{name} {_words(value)}" for name, value in vars(self).items())
        return f"{type(self).__name__}({', '.join(fields)})"


@dataclass(frozen=True, eq=False, repr=False)
class Conv2d(_Frozen):
    """Stride 1, no padding. kernel (out, in, kernel_y, kernel_x) and bias (out,), float32, read-only."""

    kernel: FloatArray
    bias: FloatArray

    def __post_init__(self) -> None:
        hold(self, "kernel", 4)
        hold(self, "bias", 1)
        agree("Conv2d: bias", self.bias.size, "kernel's outputs", self.kernel.shape[0])


@dataclass(frozen=True, repr=False)
class MaxPool(_Frozen):
    """Maximum over kernel_y x kernel_x; the number of windows is rounded, the last are cut at the border."""

    kernel_x: int
    kernel_y: int
    stride_x: int
    stride_y: int

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not isinstance(value, (int, np.integer)) or not 1 <= value <= INT32_MAX:
                raise ValueError(f"MaxPool: expected {name} to be an integer of 1 or more, found {value!r}")
            object.__setattr__(self, name, int(value))


@dataclass(frozen=True, eq=False, repr=False)
class FullyConnected(_Frozen):
    """Dense layer: per pixel when the maps are as many as its inputs, else on all values (channel, x, y).

    weights (in, out) and bias (out,), float32, read-only.
    """

    weights: FloatArray
    bias: FloatArray

    def __post_init__(self) -> None:
        hold(self, "weights", 2)
        hold(self, "bias", 1)
        agree("FullyConnected: bias", self.bias.size, "weights' outputs", self.weights.shape[1])


@dataclass(frozen=True, eq=False, repr=False)
class PReLU(_Frozen):
    """`v >= 0 ? v : v * slope`. slopes (channels,), float32, read-only."""

    slopes: FloatArray

    def __post_init__(self) -> None:
        hold(self, "slopes", 1)


@dataclass(frozen=True, repr=False)
class Sigmoid(_Frozen):
    """`1 / (1 + exp(-v))`."""


Layer: TypeAlias = Conv2d | MaxPool | FullyConnected | PReLU | Sigmoid

KINDS: dict[type[Layer], str] = {
    Conv2d: "conv",
    MaxPool: "pool",
    FullyConnected: "fc",
    PReLU: "prelu",
    Sigmoid: "sigmoid",
}


@dataclass(frozen=True, eq=False, repr=False)
class Network(_Frozen):
    """Layers in order."""

    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        if not self.layers or not all(type(layer) in KINDS for layer in self.layers):
            kinds = ", ".join(kind.__name__ for kind in KINDS)
            raise ValueError(f"Network: expected one or more layers ({kinds}), found {self.layers!r}")
        object.__setattr__(self, "layers", tuple(self.layers))

    @property
    def names(self) -> tuple[str, ...]:
        """Stable names, numbered per kind: conv1, prelu1, pool1, conv2, …"""
        count: Counter[str] = Counter()
        names = []
        for layer in self.layers:
            kind = KINDS[type(layer)]
            count[kind] += 1
            names.append(f"{kind}{count[kind]}")
        return tuple(names)

    def __repr__(self) -> str:
        return f"Network({', '.join(self.names)})"


def _words(value: Any) -> str:
    return str(value.shape) if isinstance(value, np.ndarray) else str(value)


def hold(layer: Any, name: str, rank: int) -> None:
    """Replace an array field by a read-only contiguous float32 copy of it."""
    given = np.asarray(getattr(layer, name))
    if given.dtype.kind not in "fiu" or given.ndim != rank or not 0 < given.size * 4 <= SIZE_LIMIT:
        found = f"{given.dtype} of shape {given.shape}"
        expected = f"{name} to be a non-empty array of numbers of rank {rank}"
        raise ValueError(f"{type(layer).__name__}: expected {expected}, found {found}")
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite
        array = np.array(given, dtype=np.float32, order="C")
    array.flags.writeable = False
    object.__setattr__(layer, name, array)


def agree(what: str, found: int, other: str, expected: int) -> None:
    if found != expected:
        raise ValueError(f"{what}: expected {expected} values, as the {other}, found {found}")
