"""The heads of a network: class, box and landmarks, in one layer or in separate ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .errors import PortError
from .found import FoundConv, FoundDense
from .recognise import output_count

# Which outputs of the last layer each head has; only ONet has landmarks.
HEADS = {"class": range(2), "box": range(2, 6), "landmarks": range(6, 16)}
SIZES = {len(columns) for columns in HEADS.values()}


def join_heads(layers: Sequence[FoundConv | FoundDense]) -> list[FoundConv | FoundDense]:
    """The separate heads at the end (2, 4 and 10 outputs) as one layer: class, box, landmarks."""
    count = 0
    while count < len(layers) and count < len(HEADS) and output_count(layers[-1 - count]) in SIZES:
        count += 1
    if count < 2:
        return list(layers)
    first, *others = sorted(layers[-count:], key=output_count)
    for head in others:
        first = join(first, head)
    return [*layers[:-count], first]


def join(first: FoundConv | FoundDense, second: FoundConv | FoundDense) -> FoundConv | FoundDense:
    """Two layers on the same input as one: the outputs of the first, then those of the second. PortError
    for a convolution and a dense layer."""
    biases = [
        np.zeros(output_count(layer), np.float32) if layer.bias is None else layer.bias
        for layer in (first, second)
    ]
    bias = None if first.bias is None and second.bias is None else np.concatenate(biases)
    name = f"{first.name}+{second.name}"
    if isinstance(first, FoundConv) and isinstance(second, FoundConv):
        return replace(first, name=name, kernel=np.concatenate([first.kernel, second.kernel]), bias=bias)
    if isinstance(first, FoundDense) and isinstance(second, FoundDense):
        weights = np.concatenate([first.weights, second.weights], 1)
        return replace(first, name=name, weights=weights, bias=bias)
    raise PortError(
        f"{first.name}, {second.name}: expected two heads of one kind, found a convolution and a dense one"
    )
