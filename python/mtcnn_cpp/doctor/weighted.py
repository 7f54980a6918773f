"""One weighted layer of theirs beside ours: its shape, and how its numbers are arranged."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ..formats.found import FoundConv, FoundDense
from ..reference.model import FullyConnected
from ..types import StageName
from .arrange import Arrangement, arrange_dense, arrange_kernel
from .findings import Finding
from .pools import entering, floored
from .segments import OurSegment


def arrange(ours: OurSegment, theirs: FoundConv | FoundDense) -> Arrangement | None:
    """How theirs is arranged; None where it has another shape."""
    expected = ours.kernel
    if isinstance(theirs, FoundConv):
        return arrange_kernel(theirs.kernel, expected) if theirs.kernel.shape == expected.shape else None
    if theirs.weights.shape != (expected[0].size, expected.shape[0]):
        return None
    if expected.shape[2:] == (1, 1):
        return arrange_kernel(theirs.weights.T[:, :, None, None], expected)
    assert isinstance(ours.weighted, FullyConnected)
    maps = expected.shape[1], expected.shape[2], expected.shape[3]
    return arrange_dense(theirs.weights, ours.weighted.weights, maps, theirs.order)


def check_turn(name: str, found: Arrangement, theirs: FoundConv | FoundDense) -> Iterator[Finding]:
    """Kernels turned, or a dense layer's input laid flat otherwise than its weights expect."""
    if found.turn:
        yield Finding(name, "kernel-turned", f"kernels {found.turn}", exact=True)
    order = stated_order(theirs)
    if found.order is not None and found.order != order:
        text = f"weights for an input laid flat {words(found.order)}, but it is laid flat {words(order)}"
        yield Finding(name, "dense-order", text, exact=True)


def stated_order(theirs: FoundConv | FoundDense) -> str | None:
    """The order in which their network lays the layer's input flat, as far as that is known."""
    return theirs.order if isinstance(theirs, FoundDense) else None


def words(order: str | None) -> str:
    return "in no known order" if order is None else f"as ({', '.join(order)})".replace("c", "channel")


def is_sideways(found: Arrangement, theirs: FoundConv | FoundDense) -> bool:
    """Whether the layer is OpenFace's with x and y swapped, and nothing else."""
    stated = stated_order(theirs)
    swapped = None if stated is None else stated.translate(str.maketrans("xy", "yx"))
    return found.turn.startswith("transposed (") or (swapped is not None and found.order == swapped)


def shapes(ours: OurSegment, theirs: FoundConv | FoundDense, stage: StageName) -> str:
    """In words: what shape theirs has, and what was expected."""
    expected = ours.kernel.shape
    if isinstance(theirs, FoundConv):
        return f"kernel {times(theirs.kernel.shape)}, expected {times(expected)}"
    inputs = theirs.weights.shape[0]
    text = f"{inputs} inputs, expected {math.prod(expected[1:])} ({times(expected[1:])})"
    if ours.step.flattens:
        maps = entering(stage, ours.name, floored).shape
        if inputs == math.prod(maps):
            text += f"; {times(maps)} = {inputs} is what floored pooling leaves"
    return text


def times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
