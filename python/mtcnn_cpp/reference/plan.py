"""The plan of a detection: the three stages, the shapes of all layers, and the levels of the pyramid."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from .model import Conv2d, FullyConnected, Layer, MaxPool, Network, PReLU
from .options import Options
from .types import StageName

Size: TypeAlias = tuple[int, int]  # height, width
# Computes the number of windows along one axis from size, kernel and stride.
PooledSize: TypeAlias = Callable[[int, int, int], int]

CELL, STRIDE = 12, 2  # side of PNet's receptive field, distance between adjacent fields (pixels)
MAX_LEVELS, MAX_SIDE = 10_000, 1 << 27  # limits; larger values raise an error


@dataclass(frozen=True)
class Stage:
    """One of the three networks.

    Attributes:
        name: Name of the stage.
        file_name: Name in the index file of a model.
        side: Side of the square input; None if any size is valid.
        outputs: Number of outputs.
    """

    name: StageName
    file_name: str
    side: int | None
    outputs: int

    @property
    def size(self) -> Size | None:
        """(height, width) of the input; None if any size is valid."""
        return None if self.side is None else (self.side, self.side)


PNET = Stage("pnet", "PNet", None, 6)
RNET = Stage("rnet", "RNet", 24, 6)
ONET = Stage("onet", "ONet", 48, 16)
STAGES: dict[StageName, Stage] = {stage.name: stage for stage in (PNET, RNET, ONET)}


def stage_name(name: str) -> StageName:
    """Return `name` if it is the name of a stage. Otherwise raise ValueError."""
    if name not in STAGES:
        raise ValueError(f"no network {name!r}, expected pnet, rnet or onet")
    return STAGES[name].name


@dataclass(frozen=True)
class MapShape:
    """Shape of the data between two layers.

    Attributes:
        channels: Number of maps, or number of values if `flat` is true. None if the number is unknown,
            because the network does not belong to a stage.
        size: (height, width) of the maps. None if the size is unknown, because the network accepts any size.
        flat: Whether the data is a vector. If false, the data is maps.
    """

    channels: int | None
    size: Size | None = None
    flat: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """(channels, height, width), or (channels,) for a vector. Raises ValueError if a size is unknown."""
        if self.channels is None or (self.size is None and not self.flat):
            raise ValueError(f"expected maps of a known shape, found {self}")
        return (self.channels,) if self.flat or self.size is None else (self.channels, *self.size)


@dataclass(frozen=True)
class LayerStep:
    """One layer of a network with the shapes of its input and output."""

    name: str
    layer: Layer
    input: MapShape
    output: MapShape

    @property
    def flattens(self) -> bool:
        """Whether this is a fully connected layer that flattens its input."""
        return self.output.flat and not self.input.flat


def pooled_size(size: int, kernel: int, stride: int) -> int:
    """Return the number of windows along one axis: round((size - kernel) / stride) + 1.

    Halves are rounded away from zero. The result is below 1 if no window fits. A window that would start
    outside the maps is not counted. There can be such a window only if stride >= 2 * kernel.
    """
    steps = (2 * abs(size - kernel) + stride) // (2 * stride)
    windows = 1 + (steps if size >= kernel else -steps)
    return min(windows, -(-size // stride))


def output_shape(layer: Layer, maps: MapShape, pooled: PooledSize = pooled_size) -> MapShape:
    """Return the shape of a layer's output. A size below 1 means that the layer does not fit its input.

    `pooled` computes the number of windows of a pooling layer. A port may count windows differently from
    OpenFace.
    """
    size = maps.size
    if isinstance(layer, Conv2d):
        maps_out, _, kernel_y, kernel_x = layer.kernel.shape
        return MapShape(maps_out, None if size is None else (size[0] - kernel_y + 1, size[1] - kernel_x + 1))
    if isinstance(layer, MaxPool):
        if size is None:
            return maps
        height = pooled(size[0], layer.kernel_y, layer.stride_y)
        width = pooled(size[1], layer.kernel_x, layer.stride_x)
        return MapShape(maps.channels, (height, width))
    if isinstance(layer, FullyConnected):
        inputs, outputs = layer.weights.shape
        flat = maps.flat or (maps.channels is not None and inputs != maps.channels)
        return MapShape(outputs, None if flat else size, flat)
    if isinstance(layer, PReLU):
        return MapShape(layer.slopes.size, size, maps.flat)
    return maps


def iterate_layers(
    network: Network, size: Size | None, *, channels: int | None = 3, pooled: PooledSize = pooled_size
) -> Iterator[LayerStep]:
    """Yield the layers in order, each with the shapes of its input and its output.

    `size` is the size of the network's input. None means any size.
    """
    shape = MapShape(channels, size)
    for name, layer in zip(network.names, network.layers, strict=True):
        step = LayerStep(name, layer, shape, output_shape(layer, shape, pooled))
        yield step
        shape = step.output


def map_size(network: Network, height: int, width: int) -> Size | None:
    """Return the size of the output maps for an input of height x width, or None if a kernel does not fit."""
    size = height, width
    for step in iterate_layers(network, size):
        size = step.output.size or size
        if min(size) < 1:
            return None
    return size


@dataclass(frozen=True)
class Mismatch:
    """The first layer that does not match its input, or a last layer with wrong outputs.

    `expected` and `found` are parts of the error message.
    """

    index: int
    expected: str
    found: str


def find_mismatch(network: Network, *, input_size: int | None, outputs: int | None) -> Mismatch | None:
    """Return the first layer that does not match its input.

    If all layers match their inputs, return the last layer if its outputs are wrong, and None otherwise. The
    arguments are those of `read_network`.
    """
    free = input_size is None and outputs is None
    size = None if input_size is None else (input_size, input_size)
    for index, step in enumerate(iterate_layers(network, size, channels=None if free else 3)):
        mismatch = _mismatch(step, free)
        if mismatch:
            return Mismatch(index, *mismatch)
    name, last = step.name, step.output
    if outputs is not None and last.channels != outputs:
        return Mismatch(index, f"{name} with {outputs} outputs", f"{last.channels}")
    if last.size is not None and last.size != (1, 1):
        return Mismatch(index, f"{name} with outputs of 1 x 1", f"{last.size[0]} x {last.size[1]}")
    return None


def _mismatch(step: LayerStep, free: bool) -> tuple[str, str] | None:
    """Return the two texts that follow "expected" and "found" in the error message.

    Return None if the layer matches.
    """
    name, layer, maps = step.name, step.layer, step.input
    if isinstance(layer, (Conv2d, MaxPool)) and maps.flat:
        return f"maps before {name}", f"a vector of {maps.channels} values"
    if isinstance(layer, Conv2d):
        maps_in = layer.kernel.shape[1]
        if maps.channels is not None and maps_in != maps.channels:
            return f"{name} with {maps.channels} input maps", f"{maps_in}"
        return _kernel_mismatch(step, *layer.kernel.shape[2:])
    if isinstance(layer, MaxPool):
        return _kernel_mismatch(step, layer.kernel_y, layer.kernel_x)
    if isinstance(layer, FullyConnected):
        return _inputs_mismatch(name, layer.weights.shape[0], maps, free)
    if isinstance(layer, PReLU) and maps.channels is not None and layer.slopes.size != maps.channels:
        return f"{name} with {maps.channels} slopes", f"{layer.slopes.size}"
    return None


def _kernel_mismatch(step: LayerStep, kernel_y: int, kernel_x: int) -> tuple[str, str] | None:
    before, after = step.input.size, step.output.size
    if before is None or after is None or min(after) >= 1:
        return None
    return f"{step.name} with a kernel that fits {before[0]} x {before[1]} maps", f"{kernel_y} x {kernel_x}"


def _inputs_mismatch(name: str, inputs: int, maps: MapShape, free: bool) -> tuple[str, str] | None:
    channels = maps.channels
    if channels is None or inputs == channels:
        return None
    if maps.flat:
        return f"{name} with {channels} inputs", f"{inputs}"
    if maps.size is not None:
        values = channels * maps.size[0] * maps.size[1]
        expected = f"{name} with {channels} inputs (on maps) or {values} (on all values)"
        return None if inputs == values else (expected, f"{inputs}")
    if not free:
        return f"{name} with {channels} inputs, for maps of any size", f"{inputs}"
    return (f"{name} with a multiple of {channels} inputs", f"{inputs}") if inputs % channels else None


@dataclass(frozen=True)
class Level:
    """A level of the pyramid. It is the image, scaled by `scale` to `height` x `width` pixels."""

    scale: float
    height: int
    width: int

    @property
    def size(self) -> Size:
        return self.height, self.width


def pyramid(height: int, width: int, options: Options) -> list[Level]:
    """Return the levels of the pyramid, from the largest to the smallest.

    Level i exists if scale_factor^i >= min_face / min(height, width). The power is exact, and the quotient is
    computed in double. The function uses no logarithm. Therefore, the result does not depend on the
    mathematical library.

    Args:
        height: Height of the image in pixels.
        width: Width of the image in pixels.
        options: Options of the detection.

    Returns:
        The levels. The list is empty if a side of the image is smaller than `min_face`.

    Raises:
        ValueError: The pyramid would have too many levels, or a level would be too large. The message names
            the option that causes this.
    """
    smaller = min(height, width)
    if smaller < options.min_face:
        return []
    scales = [CELL / options.min_face * power for power in _powers(options, smaller)]
    levels = [Level(scale, math.ceil(height * scale), math.ceil(width * scale)) for scale in scales]
    for level in levels:
        if max(level.size) > MAX_SIDE:
            raise ValueError(
                "min_face is too small for this image: a level of the pyramid would be "
                f"{level.height} x {level.width}"
            )
    return levels


def _powers(options: Options, smaller: int) -> list[float]:
    """Return the powers of scale_factor that are at least min_face / smaller. Each power is rounded once.

    `smaller` is the smaller side of the image. The first power is 1.
    """
    least, least_scale = (options.min_face / smaller).as_integer_ratio()
    numerator, denominator = options.scale_factor.as_integer_ratio()
    above, below = 1, 1  # the current power is above / below
    powers: list[float] = []
    while above * least_scale >= least * below:
        if len(powers) == 1000:  # early, because many powers with up to 530,000 binary digits take a second
            last = numerator**MAX_LEVELS, denominator**MAX_LEVELS
            if last[0] * least_scale >= least * last[1]:
                raise ValueError(
                    f"scale_factor is too close to 1: the pyramid would have more than {MAX_LEVELS} levels"
                )
        powers.append(above / below)
        above, below = above * numerator, below * denominator
    return powers
