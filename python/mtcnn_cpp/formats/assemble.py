"""A found network as a Network of ours, if a `.dat` can hold what it computes."""

from __future__ import annotations

import math

import numpy as np

from ..reference.model import Conv2d, FullyConnected, Layer, MaxPool, Network, PReLU, Sigmoid
from ..reference.plan import STAGES, Maps, Size, after, find_misfit
from ..types import StageName
from . import flat
from .errors import PortError
from .found import NO_PADS, FoundActivation, FoundConv, FoundDense, FoundLayer, FoundNetwork, FoundPool
from .pooling import other_windows


def assemble(found: FoundNetwork, stage: StageName) -> Network:
    """The same layers, the inputs of dense ones in OpenFace's order. PortError naming the layer that a `.dat`
    cannot hold."""
    if found.scale is not None or found.shift is not None:
        raise PortError(
            f"{found.source}: the graph normalises its input itself, a .dat cannot; take that out first"
        )
    plan = STAGES[stage]
    maps = Maps(3, plan.size)
    layers: list[Layer] = []
    last_weighted = found.weighted[-1] if found.weighted else None
    for layer in found.layers:
        where = f"{found.source}: {layer.name}"
        try:
            layers.append(_layer(layer, where, maps, head=layer is last_weighted))
        except PortError:
            raise
        except ValueError as error:  # numbers that do not fit each other, such as a bias of another length
            raise PortError(f"{where}: {error}") from error
        maps = after(layers[-1], maps)
    network = Network(tuple(layers))
    misfit = find_misfit(network, input_size=plan.side, outputs=plan.outputs)
    if misfit:
        raise PortError(f"{found.source}: expected {misfit.expected}, found {misfit.found}")
    return network


def _layer(layer: FoundLayer, where: str, maps: Maps, *, head: bool) -> Layer:
    if isinstance(layer, FoundConv):
        return _conv(layer, where, maps.size, head=head)
    if isinstance(layer, FoundPool):
        return _pool(layer, where, maps.size)
    if isinstance(layer, FoundDense):
        return _dense(layer, where, maps)
    return _activation(layer, where, maps)


def _bias(layer: FoundConv | FoundDense, outputs: int) -> np.ndarray:
    return np.zeros(outputs, np.float32) if layer.bias is None else layer.bias


def _conv(layer: FoundConv, where: str, size: Size | None, *, head: bool) -> Layer:
    """A Conv2d; or a dense layer, where the kernel covers its whole maps or is the 1x1 head."""
    if layer.pads != NO_PADS or layer.strides != (1, 1):
        raise PortError(
            f"{where}: a .dat has convolutions with stride 1 and no padding only, found stride "
            f"{layer.strides}, padding {layer.pads}; mtcnn-cpp doctor tells whether that is a mistake"
        )
    bias = _bias(layer, layer.kernel.shape[0])
    if layer.kernel.shape[2:] == size or (head and layer.kernel.shape[2:] == (1, 1)):
        return FullyConnected(flat.from_kernel(layer.kernel, flat.OPENFACE), bias)
    return Conv2d(layer.kernel, bias)


def _pool(layer: FoundPool, where: str, size: Size | None) -> MaxPool:
    for other in other_windows(layer, size):
        raise PortError(
            f"{where}: pools {other.size} values along {other.axis} into {other.found}, with padding of "
            f"{other.begin} before; a .dat pools them into {other.expected} without; mtcnn-cpp doctor tells "
            "whether that is a mistake"
        )
    return MaxPool(layer.kernel[1], layer.kernel[0], layer.strides[1], layer.strides[0])


def _dense(layer: FoundDense, where: str, maps: Maps) -> FullyConnected:
    weights = layer.weights
    if not maps.flat and maps.size is not None and layer.order is not None and len(weights) != maps.channels:
        if len(weights) != math.prod(maps.shape):
            inputs = f"{math.prod(maps.shape)} inputs ({' x '.join(map(str, maps.shape))})"
            raise PortError(f"{where}: expected {inputs}, found {len(weights)}")
        weights = flat.reorder(weights, maps.shape, layer.order, flat.OPENFACE)
    return FullyConnected(weights, _bias(layer, weights.shape[1]))


def _activation(layer: FoundActivation, where: str, maps: Maps) -> Layer:
    if layer.kind == "Sigmoid":
        return Sigmoid()
    if layer.slopes.size not in (1, maps.channels):
        raise PortError(f"{where}: expected 1 or {maps.channels} slopes, found {layer.slopes.size}")
    return PReLU(np.broadcast_to(layer.slopes, maps.channels or 0))
