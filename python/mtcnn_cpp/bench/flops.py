"""Useful work: the multiply-adds that the networks need for a picture, counted from shapes, times 2."""

from __future__ import annotations

import math
from typing import NamedTuple

from ..model import Model
from ..reference.model import Conv2d, FullyConnected, Network
from ..reference.options import Options
from ..reference.plan import ONET, RNET, Size, pyramid, walk


class Work(NamedTuple):
    """Floating-point operations of one picture in each network."""

    pnet: int
    rnet: int
    onet: int

    @property
    def total(self) -> int:
        return sum(self)


def network_flops(network: Network, size: Size | None) -> int:
    """Operations for one input of 3 x height x width: a multiply and an add for every weight that meets a
    value. 0 where the input is too small for a kernel."""
    total = 0
    for step in walk(network, size):
        layer, shape = step.layer, step.leaving.shape
        if min(shape) < 1:
            return 0
        places = math.prod(shape[1:])
        if isinstance(layer, Conv2d):
            total += 2 * layer.kernel.size * places
        elif isinstance(layer, FullyConnected):
            total += 2 * layer.weights.size * places
    return total


def useful_work(
    model: Model, height: int, width: int, options: Options, *, boxes_into_rnet: int, boxes_into_onet: int
) -> Work:
    """PNet on every level of the pyramid, RNet and ONet on every box."""
    return Work(
        sum(network_flops(model.pnet, level.size) for level in pyramid(height, width, options)),
        network_flops(model.rnet, RNET.size) * boxes_into_rnet,
        network_flops(model.onet, ONET.size) * boxes_into_onet,
    )
