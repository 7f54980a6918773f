"""The three errors that ports of this detector are known for, made again, with the figures that give them
away."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..formats.recognise import official
from ..reference.layers import conv2d
from ..reference.model import Conv2d, FullyConnected
from ..reference.plan import STAGES, Pooled, pooled_size, walk
from ..types import ImageLike, StageName

if TYPE_CHECKING:
    from ..detector import Detector


@dataclass(frozen=True)
class SwappedChannels:
    """PNet's first layer on a picture whose red and blue are swapped, against the right one: largest and
    mean difference; then of the first four channels the mean difference and the correlation."""

    maximum: float
    mean: float
    channel_means: tuple[float, ...]
    channel_correlations: tuple[float, ...]


def swapped_channels(detector: Detector, image: ImageLike) -> SwappedChannels:
    """On level 0 of the picture's pyramid."""
    layer = detector.model.pnet.layers[0]
    assert isinstance(layer, Conv2d)
    trace = detector.trace(image, only=["pnet/level00/input", "pnet/level00/conv1"])
    if "pnet/level00/conv1" not in trace:
        raise ValueError("the picture is smaller than min_face: PNet does not see it")
    right = trace["pnet/level00/conv1"].reshape(len(layer.kernel), -1).astype(np.float64)
    swapped = np.ascontiguousarray(trace["pnet/level00/input"][::-1])
    wrong = conv2d(swapped, layer.kernel, layer.bias).reshape(right.shape)
    apart = np.abs(right - wrong)
    return SwappedChannels(
        float(apart.max()),
        float(apart.mean()),
        tuple(float(value) for value in apart.mean(axis=1)[:4]),
        tuple(float(np.corrcoef(a, b)[0, 1]) for a, b in zip(right[:4], wrong[:4], strict=True)),
    )


def transposed_kernels() -> float:
    """max |K - K transposed| over PNet's first layer."""
    layer = official("pnet").layers[0]
    assert isinstance(layer, Conv2d)
    return float(np.abs(layer.kernel - layer.kernel.swapaxes(2, 3)).max())


def floored(size: int, kernel: int, stride: int) -> int:
    """How many windows a pooling makes that rounds down: the commonest mistake of ports."""
    return (size - kernel) // stride + 1


def dense_inputs(stage: StageName, pooled: Pooled = pooled_size) -> str:
    """How many values reach the first dense layer of rnet or onet, as channels · height · width = count."""
    walked = walk(official(stage), STAGES[stage].size, pooled=pooled)
    shape = next(step for step in walked if isinstance(step.layer, FullyConnected)).entering.shape
    return f"{'·'.join(map(str, shape))} = {math.prod(shape)}"
