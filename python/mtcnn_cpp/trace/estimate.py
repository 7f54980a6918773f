"""How large a full capture will be, from shapes alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..detector import Detector
    from ..model import Network


@dataclass(frozen=True)
class Estimate:
    """Bytes of values: `pnet` for the picture and all levels, exact but for lists of boxes; then `rnet` and
    `onet` for each crop, whose number only the detection knows."""

    pnet: int
    rnet: int
    onet: int

    def __str__(self) -> str:
        return (
            f"{self.pnet / 1e6:.1f} MB for picture and PNet, "
            f"then {self.rnet / 1e6:.2f} MB a crop in RNet and {self.onet / 1e6:.2f} MB a crop in ONet"
        )


def estimate(detector: Detector, height: int, width: int, itemsize: int = 1) -> Estimate:
    """Of a picture of that size, `itemsize` bytes a channel."""
    model = detector.model
    levels = _levels(height, width, detector.options.min_face, detector.options.scale_factor)
    pnet = sum(_values(model.pnet, h, w) + _heat_map(model.pnet, h, w) for h, w in levels)
    return Estimate(
        height * width * 3 * itemsize + 4 * pnet,
        4 * _values(model.rnet, 24, 24),
        4 * _values(model.onet, 48, 48),
    )


def _levels(height: int, width: int, min_face: float, factor: float) -> Iterator[tuple[int, int]]:
    """Sizes of the pyramid's levels, as the cascade has them (those that are too small for PNet included)."""
    smaller = min(height, width)
    count = math.floor(math.log(min_face / smaller) / math.log(factor)) + 1 if smaller >= min_face else 0
    for number in range(count):
        scale = 12 / min_face * float(Fraction(factor) ** number)
        yield math.ceil(height * scale), math.ceil(width * scale)


def _values(network: Network, height: int, width: int) -> int:
    """Numbers in the input and in every layer's output; 0 where the input is too small."""
    shapes = list(_shapes(network, height, width))
    return sum(map(math.prod, shapes)) if shapes[-1] else 0


def _heat_map(network: Network, height: int, width: int) -> int:
    *_, last = _shapes(network, height, width)
    return math.prod(last[1:]) if last else 0


def _shapes(network: Network, height: int, width: int) -> Iterator[tuple[int, ...]]:
    """Shape of the input and after each layer; ends with () where a kernel does not fit."""
    from ..model import Conv2d, FullyConnected, MaxPool
    from ..reference.shapes import pooled_size

    shape: tuple[int, ...] = (3, height, width)
    yield shape
    for layer in network.layers:
        if isinstance(layer, Conv2d):
            out, _, kernel_y, kernel_x = layer.kernel.shape
            shape = (out, shape[1] - kernel_y + 1, shape[2] - kernel_x + 1)
        elif isinstance(layer, MaxPool):
            shape = (
                shape[0],
                pooled_size(shape[1], layer.kernel_y, layer.stride_y),
                pooled_size(shape[2], layer.kernel_x, layer.stride_x),
            )
        elif isinstance(layer, FullyConnected):
            inputs, out = layer.weights.shape
            shape = (out, *shape[1:]) if inputs == shape[0] else (out,)
        if min(shape) < 1:
            yield ()
            return
        yield shape
