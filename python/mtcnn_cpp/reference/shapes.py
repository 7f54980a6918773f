"""How layers fit each other: sizes of maps from layer to layer, and the first layer that does not fit."""

from __future__ import annotations

from dataclasses import dataclass

from .model import Conv2d, FullyConnected, MaxPool, Network, PReLU


@dataclass(frozen=True)
class Misfit:
    """The layer that does not fit, and why: `expected …, found …`."""

    index: int
    expected: str
    found: str


def pooled_size(size: int, kernel: int, stride: int) -> int:
    """Windows along one axis: round((size - kernel) / stride) + 1, half away from zero; below 1 when none
    fits.

    A window that would start outside the maps is not made (possible only where stride >= 2 * kernel).
    """
    steps = (2 * abs(size - kernel) + stride) // (2 * stride)
    windows = 1 + (steps if size >= kernel else -steps)
    return min(windows, -(-size // stride))


def map_size(network: Network, height: int, width: int) -> tuple[int, int] | None:
    """Size of the last maps for an input of height x width; None when a layer's kernel does not fit."""
    for layer in network.layers:
        if isinstance(layer, Conv2d):
            height, width = height - layer.kernel.shape[2] + 1, width - layer.kernel.shape[3] + 1
        elif isinstance(layer, MaxPool):
            height = pooled_size(height, layer.kernel_y, layer.stride_y)
            width = pooled_size(width, layer.kernel_x, layer.stride_x)
        if min(height, width) < 1:
            return None
    return height, width


def find_misfit(network: Network, *, input_size: int | None, outputs: int | None) -> Misfit | None:
    """The first layer that does not fit; arguments as in `read_network`."""
    free = input_size is None and outputs is None
    channels = None if free else 3  # number of maps, or of values once flat; None: not known yet
    size = None if input_size is None else (input_size, input_size)  # (height, width) of the maps where known
    flat = False
    for index, (name, layer) in enumerate(zip(network.names, network.layers, strict=True)):
        if isinstance(layer, (Conv2d, MaxPool)) and flat:
            return Misfit(index, f"maps before {name}", f"a vector of {channels} values")
        if isinstance(layer, Conv2d):
            maps_out, maps_in, kernel_y, kernel_x = layer.kernel.shape
            if channels is not None and maps_in != channels:
                return Misfit(index, f"{name} with {channels} input maps", f"{maps_in}")
            if size is not None:
                height, width = size
                if kernel_y > height or kernel_x > width:
                    return Misfit(
                        index,
                        f"{name} with a kernel that fits {height} x {width} maps",
                        f"{kernel_y} x {kernel_x}",
                    )
                size = height - kernel_y + 1, width - kernel_x + 1
            channels = maps_out
        elif isinstance(layer, MaxPool):
            if size is not None:
                height, width = size
                size = (
                    pooled_size(height, layer.kernel_y, layer.stride_y),
                    pooled_size(width, layer.kernel_x, layer.stride_x),
                )
                if min(size) < 1:
                    return Misfit(
                        index,
                        f"{name} with a kernel that fits {height} x {width} maps",
                        f"{layer.kernel_y} x {layer.kernel_x}",
                    )
        elif isinstance(layer, FullyConnected):
            inputs, values = layer.weights.shape
            if channels is not None and inputs != channels:
                if flat:
                    return Misfit(index, f"{name} with {channels} inputs", f"{inputs}")
                if size is not None:
                    flattened = channels * size[0] * size[1]
                    if inputs != flattened:
                        return Misfit(
                            index,
                            f"{name} with {channels} inputs (on maps) or {flattened} (on all values)",
                            f"{inputs}",
                        )
                elif not free:
                    return Misfit(index, f"{name} with {channels} inputs, for maps of any size", f"{inputs}")
                elif inputs % channels:
                    return Misfit(index, f"{name} with a multiple of {channels} inputs", f"{inputs}")
                flat = True
            channels = values
        elif isinstance(layer, PReLU):
            if channels is not None and layer.slopes.size != channels:
                return Misfit(index, f"{name} with {channels} slopes", f"{layer.slopes.size}")
            channels = layer.slopes.size
    last = len(network.layers) - 1
    if outputs is not None and channels != outputs:
        return Misfit(last, f"{network.names[last]} with {outputs} outputs", f"{channels}")
    if size is not None and not flat and size != (1, 1):
        return Misfit(last, f"{network.names[last]} with outputs of 1 x 1", f"{size[0]} x {size[1]}")
    return None
