"""Biases and slopes: one number for each output map."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..formats.found import FoundActivation
from ..types import FloatArray
from .arrange import Order, correlation
from .findings import Finding
from .values import compare_values


def check_bias(layer: str, theirs: FloatArray | None, ours: FloatArray, outputs: Order) -> Iterator[Finding]:
    """What is wrong with a bias. `outputs`: the order of the kernel's output maps, which it should follow."""
    if theirs is None or not theirs.any():
        yield Finding(layer, "bias", "biases dropped", {"max abs of OpenFace's": float(np.abs(ours).max())})
    elif theirs.size != ours.size:
        yield Finding(layer, "shape", f"{theirs.size} biases for {ours.size} outputs")
    else:
        yield from check_vector(layer, "biases", "bias", theirs, ours, outputs)


def check_activation(
    layer: str, theirs: FoundActivation, ours: FloatArray, outputs: Order
) -> Iterator[Finding]:
    """What is wrong with an activation in the place of a PReLU: its kind, and its slopes."""
    slopes = theirs.slopes
    official = f"{ours.min():.4g} … {ours.max():.4g}"
    if theirs.kind in ("Relu", "Sigmoid"):
        yield Finding(
            layer, "activation", f"{theirs.kind} in place of PReLU", {"OpenFace's slopes": official}
        )
    elif np.all(slopes == slopes.flat[0]):
        kind = "LeakyReLU" if theirs.kind == "LeakyRelu" else "PReLU with one slope shared by all channels"
        evidence = {
            "slope": float(slopes.flat[0]),
            "OpenFace's slopes": official,
            "their mean": float(ours.mean()),
        }
        yield Finding(layer, "activation", f"{kind} in place of a slope for each channel", evidence)
    elif slopes.size != ours.size:
        yield Finding(layer, "shape", f"{slopes.size} slopes for {ours.size} channels")
    else:
        yield from check_vector(layer, "slopes", "activation", slopes, ours, outputs)


def check_vector(
    layer: str, what: str, kind: str, theirs: FloatArray, ours: FloatArray, outputs: Order
) -> Iterator[Finding]:
    """What is wrong with a vector: its order, its sign, or its numbers."""
    straight = straighten(theirs, ours, outputs)
    if straight.left_behind:
        text = f"{what} left in OpenFace's order, while the kernel's outputs stand in another"
        yield Finding(layer, "output-channels", text, exact=True)
    if straight.negated:
        yield Finding(layer, kind, f"{what} negated", exact=True)
    if np.array_equal(np.sort(straight.values), np.sort(ours)) and not np.array_equal(straight.values, ours):
        yield Finding(layer, "output-channels", f"{what} in an order of their own")
    else:
        yield from compare_values(layer, what, straight.values, ours)


class Straight(NamedTuple):
    """A vector in OpenFace's order and sign, and what was undone for that: it was `left_behind` in OpenFace's
    order while the kernel's outputs were reordered, or `negated`."""

    values: FloatArray
    left_behind: bool
    negated: bool


def straighten(theirs: FloatArray, ours: FloatArray, outputs: Order) -> Straight:
    """Bring a vector into OpenFace's order. It follows the order of the kernel's outputs, or was left in
    OpenFace's: what correlates better with ours is taken. The sign likewise."""
    follows = theirs[np.argsort(outputs)]
    left_behind = abs(correlation(theirs, ours)) > abs(correlation(follows, ours))
    values = theirs if left_behind else follows
    negated = correlation(values, ours) < -0.5
    return Straight(-values if negated else values, left_behind, negated)
