"""Reproduces three well-known errors of ports, and computes the numbers that identify these errors."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ...detector.detector import Detector
from ...formats.found import official_network
from ...reference.layers import conv2d
from ...reference.model import Conv2d
from ...reference.plan import PooledSize, pooled_size
from ...types import ImageLike, StageName
from .structure import input_maps


@dataclass(frozen=True)
class SwappedChannels:
    """Differences in the output of PNet's first layer if red and blue are swapped in the image.

    Attributes:
        maximum: Largest absolute difference.
        mean: Mean absolute difference.
        channel_means: Mean absolute difference of each of the first four output channels.
        channel_correlations: Correlation of each of the first four output channels with the correct output of
            this channel.
    """

    maximum: float
    mean: float
    channel_means: tuple[float, ...]
    channel_correlations: tuple[float, ...]


def compare_swapped_channels(detector: Detector, image: ImageLike) -> SwappedChannels:
    """Compare the outputs of PNet's first layer for RGB and for BGR, on level 0 of the image's pyramid.

    Raises:
        ValueError: If the image is smaller than the detector's `min_face`.
    """
    layer = detector.model.pnet.layers[0]
    assert isinstance(layer, Conv2d)
    trace = detector.trace(image, only=["pnet/level00/input", "pnet/level00/conv1"])
    if "pnet/level00/conv1" not in trace:
        raise ValueError("the image is smaller than min_face, so PNet does not process it")
    right = trace["pnet/level00/conv1"].reshape(len(layer.kernel), -1).astype(np.float64)
    swapped = np.ascontiguousarray(trace["pnet/level00/input"][::-1])
    wrong = conv2d(swapped, layer.kernel, layer.bias).reshape(right.shape)
    difference = np.abs(right - wrong)
    return SwappedChannels(
        float(difference.max()),
        float(difference.mean()),
        tuple(float(value) for value in difference.mean(axis=1)[:4]),
        tuple(float(np.corrcoef(a, b)[0, 1]) for a, b in zip(right[:4], wrong[:4], strict=True)),
    )


def transposed_kernel_difference() -> float:
    """Return max |K - K transposed|, where K are the kernels of PNet's first layer."""
    layer = official_network("pnet").layers[0]
    assert isinstance(layer, Conv2d)
    return float(np.abs(layer.kernel - layer.kernel.swapaxes(2, 3)).max())


def count_fully_connected_inputs(stage: StageName, pooled: PooledSize = pooled_size) -> str:
    """Return the input size of the first fully connected layer as "channels·height·width = count".

    Args:
        stage: "rnet" or "onet".
        pooled: Function that gives the number of pooling windows along an axis.
    """
    shape = input_maps(stage, "fc1", pooled).shape
    return f"{'·'.join(map(str, shape))} = {math.prod(shape)}"
