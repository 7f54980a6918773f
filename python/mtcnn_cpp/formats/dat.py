"""OpenFace's own files, `.dat`, as found networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..reference.dat import read_network
from ..reference.model import Conv2d, FullyConnected, Layer, MaxPool, Network, PReLU
from ..user_files import read_file
from . import flat
from .found import FoundActivation, FoundConv, FoundDense, FoundLayer, FoundNetwork
from .pooling import found_pool


def read_dat(path: Path) -> list[FoundNetwork]:
    """The one network of a `.dat`. Raises FileNotFoundError, ValueError naming the byte that is wrong."""
    return [from_network(read_network(read_file(path), str(path)), str(path))]


def from_network(network: Network, source: str) -> FoundNetwork:
    """One of our own networks as if found."""
    layers = tuple(map(from_layer, network.names, network.layers))
    return FoundNetwork(source, layers, complete=True)


def from_layer(name: str, layer: Layer) -> FoundLayer:
    """One of our own layers as if found."""
    if isinstance(layer, Conv2d):
        return FoundConv(name, layer.kernel, layer.bias)
    if isinstance(layer, MaxPool):
        return found_pool(name, layer)
    if isinstance(layer, FullyConnected):
        return FoundDense(name, layer.weights, layer.bias, flat.OPENFACE)
    if isinstance(layer, PReLU):
        return FoundActivation(name, "PRelu", layer.slopes)
    return FoundActivation(name, "Sigmoid", np.zeros(1, np.float32))
