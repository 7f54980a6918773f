"""Forward passes of networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from .layers import conv2d, fully_connected, max_pool, prelu, sigmoid
from .model import Conv2d, FullyConnected, Layer, MaxPool, Network, PReLU
from .plan import map_size, stage_name
from .types import FloatArray, StageName

# Called as hook(index, layer, output). The arguments are the index of an item in the batch, the name of a
# layer, and the output of this layer for this item.
BatchHook: TypeAlias = Callable[[int, str, FloatArray], None]


class Networks:
    """The three networks. The methods select a network by the name of its stage.

    `cascade.detect` accepts any object that has the methods `forward` and `map_size`.

    Args:
        pnet: The first network.
        rnet: The second network.
        onet: The third network.
    """

    def __init__(self, pnet: Network, rnet: Network, onet: Network) -> None:
        self.stages: dict[StageName, Network] = {"pnet": pnet, "rnet": rnet, "onet": onet}

    def forward(self, stage: StageName, batch: FloatArray, hook: BatchHook | None = None) -> FloatArray:
        """Run a network on maps (N, 3, H, W).

        The result is (N, 6, h, w) for PNet, (N, 6) for RNet, and (N, 16) for ONet.

        The hook is called for each item of the batch and for each layer.
        """
        output = forward(self.stages[stage], batch, hook)
        return output if stage == "pnet" else output.reshape(len(output), -1)  # 1 x 1 maps become vectors

    def layer(self, stage: StageName, name: str, maps: FloatArray) -> FloatArray:
        """Run one layer on maps (C, H, W) or a vector (C,).

        Raise ValueError for an unknown stage or layer.
        """
        network = self.stages[stage_name(stage)]
        return run(network.layers[layer_index(stage, network.names, name)], maps)

    def map_size(self, stage: StageName, height: int, width: int) -> tuple[int, int] | None:
        """Return the size of the output maps of a network. Return None if the input size is too small."""
        return map_size(self.stages[stage], height, width)


def layer_index(stage: str, names: tuple[str, ...], name: str) -> int:
    """Return the index of the layer with this name. Raise ValueError if there is no such layer."""
    if name not in names:
        raise ValueError(f"{stage} has no layer {name!r}, it has {', '.join(names)}")
    return names.index(name)


def forward(network: Network, batch: FloatArray, hook: BatchHook | None = None) -> FloatArray:
    """Run all layers on maps (N, C, H, W) and return the output of the last layer."""
    outputs = []
    for layer in network.layers:
        batch = run(layer, batch)
        if hook:
            outputs.append(batch)
    if hook:
        for index in range(len(batch)):
            for name, output in zip(network.names, outputs, strict=True):
                hook(index, name, output[index])
    return batch


def run(layer: Layer, maps: FloatArray) -> FloatArray:
    """Run one layer on maps (C, H, W), on a vector (C,), or on a batch of these."""
    if isinstance(layer, Conv2d):
        return conv2d(maps, layer.kernel, layer.bias)
    if isinstance(layer, MaxPool):
        return max_pool(maps, layer.kernel_x, layer.kernel_y, layer.stride_x, layer.stride_y)
    if isinstance(layer, FullyConnected):
        return fully_connected(maps, layer.weights, layer.bias)
    if isinstance(layer, PReLU):
        return prelu(maps, layer.slopes)
    return sigmoid(maps)
