"""The networks as PyTorch modules with the layer names of a trace. This module imports torch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from ..formats import conventions
from ..formats.conventions import pooling_end_padding
from ..reference.model import Conv2d, FullyConnected, MaxPool, Network, PReLU
from ..reference.plan import LayerStep, iterate_layers


class MaxPool2d(nn.Module):
    """Max pooling with OpenFace's number of windows.

    It pads the maps after the last row and column, and then rounds the number of windows down.
    """

    def __init__(self, layer: MaxPool) -> None:
        super().__init__()
        self.kernel, self.stride = (layer.kernel_y, layer.kernel_x), (layer.stride_y, layer.stride_x)
        self.end = pooling_end_padding(layer)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        padded = nn.functional.pad(maps, (0, self.end[1], 0, self.end[0]), value=-torch.inf)
        return nn.functional.max_pool2d(padded, self.kernel, self.stride)


class FlattenedLinear(nn.Linear):
    """Fully connected layer that also accepts maps. It flattens maps in the order (channel, y, x)."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return super().forward(values.flatten(1))


class TorchNetwork(nn.Module):
    """One network as a PyTorch module.

    The input is a batch of RGB images, (N, 3, H, W), float32. An 8-bit pixel v has the value (v - 127.5) /
    128. The outputs are logits. Their shape is (N, outputs), or (N, outputs, h, w) for PNet. The submodules
    are named conv1, prelu1, pool1, …, so hooks and `state_dict` use the names of a trace.

    Args:
        network: The network.
        input_size: Side of the square input in pixels. None: any size.
    """

    def __init__(self, network: Network, input_size: int | None) -> None:
        super().__init__()
        self.names = network.names
        for step in iterate_layers(network, None if input_size is None else (input_size, input_size)):
            self.add_module(step.name, make_layer(step))
        self.eval().requires_grad_(False)

    def forward(
        self, batch: torch.Tensor, hook: Callable[[str, torch.Tensor], None] | None = None
    ) -> torch.Tensor:
        for name in self.names:
            batch = self.get_submodule(name)(batch)
            if hook:
                hook(name, batch)
        return batch


def make_layer(step: LayerStep) -> nn.Module:
    layer = step.layer
    if isinstance(layer, Conv2d):
        maps_out, maps_in, *size = layer.kernel.shape
        return fill(nn.Conv2d(maps_in, maps_out, (size[0], size[1])), layer.kernel, layer.bias)
    if isinstance(layer, MaxPool):
        return MaxPool2d(layer)
    if isinstance(layer, PReLU):
        return fill(nn.PReLU(layer.slopes.size), layer.slopes)
    if isinstance(layer, FullyConnected):
        weights = layer.weights
        inputs, outputs = weights.shape
        if not step.output.flat:
            return fill(nn.Conv2d(inputs, outputs, 1), weights.T[:, :, None, None], layer.bias)
        if step.flattens:
            weights = conventions.reorder_inputs(
                weights, step.input.shape, conventions.OPENFACE_ORDER, conventions.NCHW_ORDER
            )
        return fill(FlattenedLinear(inputs, outputs), weights.T, layer.bias)
    return nn.Sigmoid()


def fill(
    module: nn.Conv2d | nn.Linear | nn.PReLU, weight: np.ndarray, bias: np.ndarray | None = None
) -> nn.Module:
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(np.array(weight)))
        if bias is not None and not isinstance(module, nn.PReLU) and module.bias is not None:
            module.bias.copy_(torch.from_numpy(np.array(bias)))
    return module
