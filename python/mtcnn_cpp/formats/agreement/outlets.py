"""What each output of a graph holds: all the network's values, or those of some of its heads, as they are or
through a Softmax; and how far they are from what the network computes.

A graph may lay its outputs as it likes: channels last, on their side, or flat.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ..heads import HEADS
from .compute import Last, Wide

Order: TypeAlias = tuple[int, ...]

# How far a graph's output may be from OpenFace's, as a share of the magnitudes that are added up for it. A
# runtime adds them in float32, in an order of its own, layer after layer; that made 1e-6 at most in 3,000
# runs of OpenFace's graphs. The mildest operator that is none, rounding to half precision, makes 5e-4 of each
# number.
TOLERANCE = 5e-6


@dataclass(frozen=True)
class Held:
    """`heads`: whose values an output holds. `distance`: how far it is from them at most, as a share of the
    greatest sum of magnitudes. `axes`: how its maps lie, where that is not (c, y, x). `through`: "Softmax" or
    "LogSoftmax", if the class values went through one."""

    heads: frozenset[str]
    distance: float
    axes: str = ""
    through: str = ""


def hold(found: npt.NDArray[Any], last: Last, order: Order) -> Held | None:
    """The nearest that an output can hold of the last layer's values; None where it has another shape.
    `order`: which of OpenFace's values each of them is."""
    held = [
        Held(heads, distant(found, laid, greatest), axes, through)
        for heads, values, greatest, through in contents(last, order)
        for axes, laid in lay(values, found.shape)
    ]
    return min(held, key=lambda one: (one.distance, -len(one.heads)), default=None)


def contents(last: Last, order: Order) -> Iterator[tuple[frozenset[str], Wide, float, str]]:
    """Heads, the values that an output of them may have, what a distance is a share of, and what the class
    values went through."""
    columns = {name: [i for i, one in enumerate(order) if one in HEADS[name]] for name in HEADS}
    columns = {name: members for name, members in columns.items() if members}
    there, classes = frozenset(columns), columns["class"]
    greatest = magnitude(last.sums)
    yield there, last.values, greatest, ""
    for name, members in columns.items():
        yield frozenset({name}), last.values[:, members], magnitude(last.sums[:, members]), ""
    for logarithm, through in ((False, "Softmax"), (True, "LogSoftmax")):
        # A Softmax of all values leaves nothing of the box; it is known, but it is no head.
        yield frozenset(), softmax(last.values, logarithm), max(1.0, greatest), through
        probabilities = softmax(last.values[:, classes], logarithm)
        yield frozenset({"class"}), probabilities, max(1.0, magnitude(last.sums[:, classes])), through
        whole = last.values.copy()
        whole[:, classes] = probabilities
        yield there, whole, greatest, through


def softmax(values: Wide, logarithm: bool) -> Wide:
    """Along the channels."""
    lower = values - values.max(axis=1, keepdims=True)
    sums = np.exp(lower).sum(axis=1, keepdims=True)
    result: Wide = lower - np.log(sums) if logarithm else np.exp(lower) / sums
    return result


def magnitude(values: Wide) -> float:
    return float(np.abs(values).max())


def lay(values: Wide, shape: tuple[int, ...]) -> Iterator[tuple[str, Wide]]:
    """The ways in which values (N, C) or (N, C, h, w) may lie in a tensor of that shape."""
    if math.prod(shape) != values.size:
        return
    letters = "cyx"[: values.ndim - 1]
    for axes in itertools.permutations(range(1, values.ndim)):
        turned = values.transpose(0, *axes)
        thick = [size for size in turned.shape if size > 1] == [size for size in shape if size > 1]
        if thick or (len(shape) < values.ndim and shape[-1] in (values.shape[1], values[0].size)):
            name = "".join(letters[axis - 1] for axis in axes)
            plain = turned.shape == shape and name == letters
            yield "" if plain or values[0, 0].size == 1 else name, turned.reshape(shape)


def distant(found: npt.NDArray[Any], expected: Wide, greatest: float) -> float:
    """The greatest difference as a share of `greatest`; infinite where one is not a number."""
    wide = found.astype(np.float64)
    if not np.isfinite(wide).all():
        return math.inf
    difference = float(np.abs(wide - expected).max())
    return difference / greatest if greatest else math.inf if difference else 0.0
