"""Forward passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from .layers import conv2d, fully_connected, max_pool, prelu, sigmoid
from .model import Conv2d, FullyConnected, Layer, MaxPool, Network, PReLU
from .plan import map_size, stage_name
from .types import FloatArray, StageName

# Called as tap(index in the batch, layer name, that item's output).
BatchTap: TypeAlias = Callable[[int, str, FloatArray], None]


class Networks:
    """PNet, RNet and ONet, by name of stage. `cascade.detect` takes anything with these two methods."""

    def __init__(self, pnet: Network, rnet: Network, onet: Network) -> None:
        self.stages: dict[StageName, Network] = {"pnet": pnet, "rnet": rnet, "onet": onet}

    def forward(self, stage: StageName, batch: FloatArray, tap: BatchTap | None = None) -> FloatArray:
        """(N, 3, H, W) -> (N, 6, h, w), (N, 6) or (N, 16); the tap gets item by item, layer by layer."""
        output = forward(self.stages[stage], batch, tap)
        return output if stage == "pnet" else output.reshape(len(output), -1)  # 1 x 1 maps count as values

    def layer(self, stage: StageName, name: str, maps: FloatArray) -> FloatArray:
        """The output of one layer alone, of maps (C, H, W) or values (C,). ValueError for an unknown name."""
        network = self.stages[stage_name(stage)]
        return run(network.layers[layer_index(stage, network.names, name)], maps)

    def map_size(self, stage: StageName, height: int, width: int) -> tuple[int, int] | None:
        """Size of the last maps for that input; None where it is too small."""
        return map_size(self.stages[stage], height, width)


def layer_index(stage: str, names: tuple[str, ...], name: str) -> int:
    """Where the layer stands in its network. ValueError for a name that is not there."""
    if name not in names:
        raise ValueError(f"{stage} has no layer {name!r}, it has {', '.join(names)}")
    return names.index(name)


def forward(network: Network, batch: FloatArray, tap: BatchTap | None = None) -> FloatArray:
    """(N, C, H, W) -> what the last layer gives."""
    outputs = []
    for layer in network.layers:
        batch = run(layer, batch)
        if tap:
            outputs.append(batch)
    if tap:
        for index in range(len(batch)):
            for name, output in zip(network.names, outputs, strict=True):
                tap(index, name, output[index])
    return batch


def run(layer: Layer, maps: FloatArray) -> FloatArray:
    """One layer, on maps (C, H, W), a vector (C,) or a batch of these."""
    if isinstance(layer, Conv2d):
        return conv2d(maps, layer.kernel, layer.bias)
    if isinstance(layer, MaxPool):
        return max_pool(maps, layer.kernel_x, layer.kernel_y, layer.stride_x, layer.stride_y)
    if isinstance(layer, FullyConnected):
        return fully_connected(maps, layer.weights, layer.bias)
    if isinstance(layer, PReLU):
        return prelu(maps, layer.slopes)
    return sigmoid(maps)
