"""Useful work: the multiply-adds that the networks need for a picture, counted from shapes, times 2."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..model import NETWORKS, Model
from ..reference.cascade import Cascade
from ..reference.model import Conv2d, FullyConnected, MaxPool, Network
from ..reference.network import Networks
from ..reference.options import Options
from ..reference.shapes import pooled_size


class Work(NamedTuple):
    """Floating-point operations of one picture in each network."""

    pnet: int
    rnet: int
    onet: int

    @property
    def total(self) -> int:
        return sum(self)


def network_flops(network: Network, height: int, width: int) -> int:
    """Operations for one input of 3 x height x width: a multiply and an add for every weight that meets a
    value. 0 where the input is too small for a kernel."""
    maps, flat, total = 3, False, 0
    for layer in network.layers:
        if isinstance(layer, Conv2d):
            maps, maps_in, kernel_y, kernel_x = layer.kernel.shape
            height, width = height - kernel_y + 1, width - kernel_x + 1
            total += 2 * maps_in * kernel_y * kernel_x * maps * max(height, 0) * max(width, 0)
        elif isinstance(layer, MaxPool):
            height = pooled_size(height, layer.kernel_y, layer.stride_y)
            width = pooled_size(width, layer.kernel_x, layer.stride_x)
        elif isinstance(layer, FullyConnected):
            inputs, outputs = layer.weights.shape
            flat = flat or inputs != maps
            total += 2 * inputs * outputs * (1 if flat else height * width)
            maps = outputs
        if min(height, width) < 1:
            return 0
    return total


def useful_work(
    model: Model, height: int, width: int, options: Options, *, boxes_into_rnet: int, boxes_into_onet: int
) -> Work:
    """PNet on every level of the pyramid, RNet and ONet on every box."""
    sizes = {stage: size for stage, size, _ in NETWORKS.values()}
    shape_only = np.broadcast_to(np.uint8(0), (height, width, 3))
    cascade = Cascade(Networks(model.pnet, model.rnet, model.onet), shape_only, False, options, None)
    return Work(
        sum(network_flops(model.pnet, h, w) for _, _, h, w in cascade.levels()),
        network_flops(model.rnet, sizes["rnet"] or 0, sizes["rnet"] or 0) * boxes_into_rnet,
        network_flops(model.onet, sizes["onet"] or 0, sizes["onet"] or 0) * boxes_into_onet,
    )
