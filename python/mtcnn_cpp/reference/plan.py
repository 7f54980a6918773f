"""The plan of a detection: the three stages, the shapes from layer to layer, the levels of the pyramid.

Whoever needs a size asks here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from .model import Conv2d, FullyConnected, Layer, MaxPool, Network, PReLU
from .options import Options
from .types import StageName

Size: TypeAlias = tuple[int, int]  # height, width
# Windows along one axis, of a size, a kernel and a stride.
Pooled: TypeAlias = Callable[[int, int, int], int]

CELL, STRIDE = 12, 2  # side of the square that PNet looks at, and the step to the next
LEVELS_AT_MOST, SIDE_AT_MOST = 10_000, 1 << 27  # more is a mistake, not a wish


@dataclass(frozen=True)
class Stage:
    """One of the three networks: `side` of its square input (None: any size), number of `outputs`."""

    name: StageName
    file_name: str
    side: int | None
    outputs: int

    @property
    def size(self) -> Size | None:
        """(height, width) of its input; None for any."""
        return None if self.side is None else (self.side, self.side)


PNET = Stage("pnet", "PNet", None, 6)
RNET = Stage("rnet", "RNet", 24, 6)
ONET = Stage("onet", "ONet", 48, 16)
STAGES: dict[StageName, Stage] = {stage.name: stage for stage in (PNET, RNET, ONET)}


def stage_name(name: str) -> StageName:
    """The name itself, if one of the three networks has it; else ValueError."""
    if name not in STAGES:
        raise ValueError(f"no network {name!r}, expected pnet, rnet or onet")
    return STAGES[name].name


@dataclass(frozen=True)
class Maps:
    """What lies between two layers: `channels` maps of `size`, or a vector of `channels` values if `flat`.

    None stands for what is not known: the size before a network that takes any, the channels before one that
    belongs to no stage.
    """

    channels: int | None
    size: Size | None = None
    flat: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """(channels, height, width), or (channels,). ValueError where something is not known."""
        if self.channels is None or (self.size is None and not self.flat):
            raise ValueError(f"expected maps of a known shape, found {self}")
        return (self.channels,) if self.flat or self.size is None else (self.channels, *self.size)


@dataclass(frozen=True)
class Step:
    """One layer of a network, with what enters and what leaves it."""

    name: str
    layer: Layer
    entering: Maps
    leaving: Maps

    @property
    def flattens(self) -> bool:
        """Whether it is a dense layer that takes maps as one vector."""
        return self.leaving.flat and not self.entering.flat


def pooled_size(size: int, kernel: int, stride: int) -> int:
    """Windows along one axis: round((size - kernel) / stride) + 1, half away from zero; below 1 when none
    fits.

    A window that would start outside the maps is not made (possible only where stride >= 2 * kernel).
    """
    steps = (2 * abs(size - kernel) + stride) // (2 * stride)
    windows = 1 + (steps if size >= kernel else -steps)
    return min(windows, -(-size // stride))


def after(layer: Layer, maps: Maps, pooled: Pooled = pooled_size) -> Maps:
    """What leaves a layer that `maps` enter. Sizes below 1: the layer does not fit.

    `pooled`: how many windows a pooling layer makes; a port may do it otherwise than OpenFace.
    """
    size = maps.size
    if isinstance(layer, Conv2d):
        maps_out, _, kernel_y, kernel_x = layer.kernel.shape
        return Maps(maps_out, None if size is None else (size[0] - kernel_y + 1, size[1] - kernel_x + 1))
    if isinstance(layer, MaxPool):
        if size is None:
            return maps
        height = pooled(size[0], layer.kernel_y, layer.stride_y)
        width = pooled(size[1], layer.kernel_x, layer.stride_x)
        return Maps(maps.channels, (height, width))
    if isinstance(layer, FullyConnected):
        inputs, outputs = layer.weights.shape
        flat = maps.flat or (maps.channels is not None and inputs != maps.channels)
        return Maps(outputs, None if flat else size, flat)
    if isinstance(layer, PReLU):
        return Maps(layer.slopes.size, size, maps.flat)
    return maps


def walk(
    network: Network, size: Size | None, *, channels: int | None = 3, pooled: Pooled = pooled_size
) -> Iterator[Step]:
    """The layers in order, for an input of so many channels and that size (None: any)."""
    maps = Maps(channels, size)
    for name, layer in zip(network.names, network.layers, strict=True):
        step = Step(name, layer, maps, after(layer, maps, pooled))
        yield step
        maps = step.leaving


def map_size(network: Network, height: int, width: int) -> Size | None:
    """Size of the last maps for an input of height x width; None where a layer's kernel does not fit."""
    size = height, width
    for step in walk(network, size):
        size = step.leaving.size or size
        if min(size) < 1:
            return None
    return size


@dataclass(frozen=True)
class Misfit:
    """The layer that does not fit, and why: `expected …, found …`."""

    index: int
    expected: str
    found: str


def find_misfit(network: Network, *, input_size: int | None, outputs: int | None) -> Misfit | None:
    """The first layer that does not fit the one before it, or the last one if it does not give `outputs`
    values; None where all fit. Arguments as in `read_network`."""
    free = input_size is None and outputs is None
    size = None if input_size is None else (input_size, input_size)
    for index, step in enumerate(walk(network, size, channels=None if free else 3)):
        misfit = _misfit(step, free)
        if misfit:
            return Misfit(index, *misfit)
    name, last = step.name, step.leaving
    if outputs is not None and last.channels != outputs:
        return Misfit(index, f"{name} with {outputs} outputs", f"{last.channels}")
    if last.size is not None and last.size != (1, 1):
        return Misfit(index, f"{name} with outputs of 1 x 1", f"{last.size[0]} x {last.size[1]}")
    return None


def _misfit(step: Step, free: bool) -> tuple[str, str] | None:
    """Expected and found, in words; None where the layer fits."""
    name, layer, maps = step.name, step.layer, step.entering
    if isinstance(layer, (Conv2d, MaxPool)) and maps.flat:
        return f"maps before {name}", f"a vector of {maps.channels} values"
    if isinstance(layer, Conv2d):
        maps_in = layer.kernel.shape[1]
        if maps.channels is not None and maps_in != maps.channels:
            return f"{name} with {maps.channels} input maps", f"{maps_in}"
        return _unfitting_kernel(step, *layer.kernel.shape[2:])
    if isinstance(layer, MaxPool):
        return _unfitting_kernel(step, layer.kernel_y, layer.kernel_x)
    if isinstance(layer, FullyConnected):
        return _unfitting_inputs(name, layer.weights.shape[0], maps, free)
    if isinstance(layer, PReLU) and maps.channels is not None and layer.slopes.size != maps.channels:
        return f"{name} with {maps.channels} slopes", f"{layer.slopes.size}"
    return None


def _unfitting_kernel(step: Step, kernel_y: int, kernel_x: int) -> tuple[str, str] | None:
    before, after = step.entering.size, step.leaving.size
    if before is None or after is None or min(after) >= 1:
        return None
    return f"{step.name} with a kernel that fits {before[0]} x {before[1]} maps", f"{kernel_y} x {kernel_x}"


def _unfitting_inputs(name: str, inputs: int, maps: Maps, free: bool) -> tuple[str, str] | None:
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
    """A level of the pyramid: the picture at `scale`, `height` x `width` pixels."""

    scale: float
    height: int
    width: int

    @property
    def size(self) -> Size:
        return self.height, self.width


def pyramid(height: int, width: int, options: Options) -> list[Level]:
    """The levels for a picture of that size, the largest first; none where it is smaller than a face.

    Level i is there while scale_factor^i >= min_face / min(height, width), the power exact and the quotient
    a double: no logarithm, so that no mathematical library decides it. Raises ValueError, naming the option,
    for more levels or larger ones than can be meant.
    """
    smaller = min(height, width)
    if smaller < options.min_face:
        return []
    scales = [CELL / options.min_face * power for power in _powers(options, smaller)]
    levels = [Level(scale, math.ceil(height * scale), math.ceil(width * scale)) for scale in scales]
    for level in levels:
        if max(level.size) > SIDE_AT_MOST:
            raise ValueError(
                "min_face is too small for this image: a level of the pyramid would be "
                f"{level.height} x {level.width}"
            )
    return levels


def _powers(options: Options, smaller: int) -> list[float]:
    """scale_factor^0, ^1, …, each the exact power rounded once, down to min_face / smaller."""
    least, least_scale = (options.min_face / smaller).as_integer_ratio()
    numerator, denominator = options.scale_factor.as_integer_ratio()
    above, below = 1, 1  # the present power is above / below
    powers: list[float] = []
    while above * least_scale >= least * below:
        if len(powers) == LEVELS_AT_MOST:
            raise ValueError(
                f"scale_factor is too close to 1: the pyramid would have more than {LEVELS_AT_MOST} levels"
            )
        powers.append(above / below)
        above, below = above * numerator, below * denominator
    return powers
