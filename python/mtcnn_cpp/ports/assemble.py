"""A found network as a Network of ours, if a `.dat` can hold what it computes."""

from __future__ import annotations

import numpy as np

from ..reference.model import Conv2d, FullyConnected, Layer, MaxPool, Network, PReLU, Sigmoid
from ..reference.shapes import find_misfit, pooled_size
from . import flat
from .errors import PortError
from .found import NO_PADS, FoundActivation, FoundConv, FoundDense, FoundNetwork, FoundPool
from .walk import INPUT_SIZES

ANY_SIZE = 96  # sizes up to which a pooling layer of a network for any size is compared with ours


def assemble(found: FoundNetwork, stage: str) -> Network:
    """The same layers, dense inputs in OpenFace's order. PortError, naming the layer, for what a `.dat`
    cannot say."""
    if found.scale is not None or found.shift is not None:
        raise PortError(
            f"{found.source}: the graph normalises its input itself, a .dat cannot; take that out first"
        )
    side = INPUT_SIZES[stage]
    size = None if side is None else (side, side)
    channels = 3
    layers: list[Layer] = []
    flattened = False
    last_weighted = found.weighted[-1] if found.weighted else None
    for layer in found.layers:
        where = f"{found.source}: {layer.name}"
        if isinstance(layer, FoundConv):
            layers.append(_conv(layer, where, size, head=layer is last_weighted))
            channels = layer.kernel.shape[0]
            if size is not None:
                size = size[0] - layer.kernel.shape[2] + 1, size[1] - layer.kernel.shape[3] + 1
        elif isinstance(layer, FoundPool):
            layers.append(_pool(layer, where, size))
            size = None if size is None else (layer.windows(size[0], 0)[1], layer.windows(size[1], 1)[1])
        elif isinstance(layer, FoundDense):
            maps = None if flattened or size is None else (channels, *size)
            layers.append(_dense(layer, where, maps))
            channels, flattened = layer.weights.shape[1], True
        else:
            layers.append(_activation(layer, channels))
    network = Network(tuple(layers))
    misfit = find_misfit(network, input_size=side, outputs=16 if stage == "onet" else 6)
    if misfit:
        raise PortError(f"{found.source}: expected {misfit.expected}, found {misfit.found}")
    return network


def _bias(layer: FoundConv | FoundDense, outputs: int) -> np.ndarray:
    return np.zeros(outputs, np.float32) if layer.bias is None else layer.bias


def _conv(layer: FoundConv, where: str, size: tuple[int, int] | None, *, head: bool) -> Layer:
    """A convolution that covers its whole maps, or the 1x1 head, is a dense layer in a `.dat`."""
    if layer.pads != NO_PADS or layer.strides != (1, 1):
        raise PortError(
            f"{where}: a .dat has convolutions with stride 1 and no padding only, found stride "
            f"{layer.strides}, padding {layer.pads}; mtcnn-cpp doctor tells whether that is a mistake"
        )
    bias = _bias(layer, layer.kernel.shape[0])
    if layer.kernel.shape[2:] == size or (head and layer.kernel.shape[2:] == (1, 1)):
        return FullyConnected(flat.from_kernel(layer.kernel, flat.OPENFACE), bias)
    return Conv2d(layer.kernel, bias)


def _pool(layer: FoundPool, where: str, size: tuple[int, int] | None) -> MaxPool:
    for axis, name in enumerate("yx"):
        kernel, stride = layer.kernel[axis], layer.strides[axis]
        for n in range(kernel, ANY_SIZE) if size is None else [size[axis]]:
            (begin, found), ours = layer.windows(n, axis), pooled_size(n, kernel, stride)
            if (begin, found) != (0, ours):
                raise PortError(
                    f"{where}: pools {n} values along {name} into {found}, with padding of {begin} before; "
                    f"a .dat pools them into {ours} without; mtcnn-cpp doctor tells whether that is a mistake"
                )
    return MaxPool(layer.kernel[1], layer.kernel[0], layer.strides[1], layer.strides[0])


def _dense(layer: FoundDense, where: str, maps: tuple[int, int, int] | None) -> FullyConnected:
    weights = layer.weights
    if maps is not None and layer.order is not None and weights.shape[0] != maps[0]:
        if weights.shape[0] != np.prod(maps):
            inputs = f"{np.prod(maps)} inputs ({' x '.join(map(str, maps))})"
            raise PortError(f"{where}: expected {inputs}, found {weights.shape[0]}")
        weights = flat.reorder(weights, maps, layer.order, flat.OPENFACE)
    return FullyConnected(weights, _bias(layer, weights.shape[1]))


def _activation(layer: FoundActivation, channels: int) -> Layer:
    if layer.kind == "Sigmoid":
        return Sigmoid()
    return PReLU(np.broadcast_to(layer.slopes, channels))
