"""The layers of a network with the size of what enters each: what every export needs to know."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..model import NETWORKS
from ..reference.model import Conv2d, FullyConnected, Layer, MaxPool, Network
from ..reference.shapes import pooled_size

INPUT_SIZES: dict[str, int | None] = {stage: size for stage, size, _ in NETWORKS.values()}
FILE_NAMES: dict[str, str] = {stage: name for name, (stage, _, _) in NETWORKS.items()}


class Step(NamedTuple):
    """One layer. `channels`: maps or values that enter; `size`: (height, width) of entering maps, None
    where the network takes any; `flat`: a vector enters; `flattens`: a dense layer that lays its maps
    flat."""

    name: str
    layer: Layer
    channels: int
    size: tuple[int, int] | None
    flat: bool
    flattens: bool


def steps(network: Network, input_size: int | None) -> Iterator[Step]:
    """The layers in order, for maps (3, input_size, input_size), or of any size where input_size is None."""
    channels, flat = 3, False
    size = None if input_size is None else (input_size, input_size)
    for name, layer in zip(network.names, network.layers, strict=True):
        flattens = isinstance(layer, FullyConnected) and not flat and layer.weights.shape[0] != channels
        yield Step(name, layer, channels, size, flat, flattens)
        if isinstance(layer, Conv2d):
            channels = layer.kernel.shape[0]
            if size is not None:
                size = size[0] - layer.kernel.shape[2] + 1, size[1] - layer.kernel.shape[3] + 1
        elif isinstance(layer, MaxPool) and size is not None:
            size = (
                pooled_size(size[0], layer.kernel_y, layer.stride_y),
                pooled_size(size[1], layer.kernel_x, layer.stride_x),
            )
        elif isinstance(layer, FullyConnected):
            channels, flat = layer.weights.shape[1], flat or flattens
