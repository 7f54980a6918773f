"""Layers and networks as frozen dataclasses."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from .types import FloatArray

SIZE_LIMIT = 1 << 30  # maximum bytes of one array
INT32_MAX = (1 << 31) - 1


class _Frozen:
    """Base class of layers and networks.

    Pickling and copying call the constructor, which checks the fields and makes them read-only.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(vars(self).values())

    def __repr__(self) -> str:
        fields = (f"{name} {_format_field(value)}" for name, value in vars(self).items())
        return f"{type(self).__name__}({', '.join(fields)})"


@dataclass(frozen=True, eq=False, repr=False)
class Conv2d(_Frozen):
    """Convolution with stride 1 and without padding.

    Attributes:
        kernel: (out, in, kernel_y, kernel_x) float32, read-only.
        bias: (out,) float32, read-only.
    """

    kernel: FloatArray
    bias: FloatArray

    def __post_init__(self) -> None:
        _freeze_array(self, "kernel", 4)
        _freeze_array(self, "bias", 1)
        _check_length("Conv2d: bias", self.bias.size, "kernel's outputs", self.kernel.shape[0])


@dataclass(frozen=True, repr=False)
class MaxPool(_Frozen):
    """Max pooling. `plan.pooled_size` computes the number of windows. Windows are clipped at the border.

    Attributes:
        kernel_x: Width of a window.
        kernel_y: Height of a window.
        stride_x: Horizontal distance between windows.
        stride_y: Vertical distance between windows.
    """

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
    """Fully connected layer.

    If the number of maps equals the number of inputs, the layer is applied to each pixel. Otherwise, it is
    applied to all values, and maps are flattened in the order channel, x, y.

    Attributes:
        weights: (in, out) float32, read-only.
        bias: (out,) float32, read-only.
    """

    weights: FloatArray
    bias: FloatArray

    def __post_init__(self) -> None:
        _freeze_array(self, "weights", 2)
        _freeze_array(self, "bias", 1)
        _check_length("FullyConnected: bias", self.bias.size, "weights' outputs", self.weights.shape[1])


@dataclass(frozen=True, eq=False, repr=False)
class PReLU(_Frozen):
    """Activation `v >= 0 ? v : v * slope`.

    Attributes:
        slopes: (channels,) float32, read-only.
    """

    slopes: FloatArray

    def __post_init__(self) -> None:
        _freeze_array(self, "slopes", 1)


@dataclass(frozen=True, repr=False)
class Sigmoid(_Frozen):
    """Activation `1 / (1 + exp(-v))`."""


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
    """A sequence of layers.

    Attributes:
        layers: The layers in order.
    """

    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        if not self.layers or not all(type(layer) in KINDS for layer in self.layers):
            kinds = ", ".join(kind.__name__ for kind in KINDS)
            raise ValueError(f"Network: expected one or more layers ({kinds}), found {self.layers!r}")
        object.__setattr__(self, "layers", tuple(self.layers))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the layers: conv1, prelu1, pool1, conv2, … Layers of the same kind are numbered from 1."""
        count: Counter[str] = Counter()
        names = []
        for layer in self.layers:
            kind = KINDS[type(layer)]
            count[kind] += 1
            names.append(f"{kind}{count[kind]}")
        return tuple(names)

    def __repr__(self) -> str:
        return f"Network({', '.join(self.names)})"


def _format_field(value: Any) -> str:
    return str(value.shape) if isinstance(value, np.ndarray) else str(value)


def _freeze_array(layer: Any, name: str, rank: int) -> None:
    """Replace an array field by a float32 copy that is contiguous and read-only."""
    given = np.asarray(getattr(layer, name))
    if given.dtype.kind not in "fiu" or given.ndim != rank or not 0 < given.size * 4 <= SIZE_LIMIT:
        found = f"{given.dtype} of shape {given.shape}"
        expected = f"{name} to be a non-empty array of numbers of rank {rank}"
        raise ValueError(f"{type(layer).__name__}: expected {expected}, found {found}")
    with np.errstate(over="ignore"):  # a float64 outside the range of float32 becomes infinite
        array = np.array(given, dtype=np.float32, order="C")
    array.flags.writeable = False
    object.__setattr__(layer, name, array)


def _check_length(what: str, found: int, other: str, expected: int) -> None:
    if found != expected:
        raise ValueError(f"{what}: expected {expected} values, the number of the {other}, found {found}")
