"""The three well-known errors of ports, made again, with the figures by which they are recognised."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..detector import Detector
from ..formats.recognise import official
from ..reference.layers import conv2d
from ..reference.model import Conv2d
from ..reference.plan import Pooled, pooled_size
from ..types import ImageLike, StageName
from .pools import entering


@dataclass(frozen=True)
class SwappedChannels:
    """How far PNet's first layer is off when the picture's red and blue are swapped: the largest and the mean
    difference; of each of the first four channels the mean difference, and the correlation."""

    maximum: float
    mean: float
    channel_means: tuple[float, ...]
    channel_correlations: tuple[float, ...]


def swapped_channels(detector: Detector, image: ImageLike) -> SwappedChannels:
    """On level 0 of the picture's pyramid. ValueError for a picture smaller than the detector's min_face."""
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


def dense_inputs(stage: StageName, pooled: Pooled = pooled_size) -> str:
    """How many values reach the first dense layer of rnet or onet, as channels·height·width = count."""
    shape = entering(stage, "fc1", pooled).shape
    return f"{'·'.join(map(str, shape))} = {math.prod(shape)}"
