"""One weighted layer of theirs beside ours: brought into one form, arranged, and what its arrangement
says."""

from __future__ import annotations

from collections.abc import Iterator

from ..formats import flat
from ..formats.found import FoundConv, FoundDense
from ..reference.model import Conv2d, FullyConnected
from ..types import FloatArray
from .arrange import Arrangement, arrange_dense, arrange_kernel
from .findings import Finding
from .segments import OurSegment, TheirSegment


def arrange(ours: OurSegment, theirs: TheirSegment) -> Arrangement | None:
    """None where their layer has other shapes."""
    expected, layer = kernel_of(ours), theirs.weighted
    if isinstance(layer, FoundDense):
        if layer.weights.shape != (expected[0].size, expected.shape[0]):
            return None
        if expected.shape[2:] != (1, 1):
            assert isinstance(ours.weighted.layer, FullyConnected)
            maps = expected.shape[1], expected.shape[2], expected.shape[3]
            return arrange_dense(layer.weights, ours.weighted.layer.weights, maps, layer.order)
        return arrange_kernel(layer.weights.T[:, :, None, None], expected)
    if layer.kernel.shape != expected.shape:
        return None
    return arrange_kernel(layer.kernel, expected)


def kernel_of(ours: OurSegment) -> FloatArray:
    """A weighted layer of ours as a kernel (out, in, y, x): a dense one covers its maps."""
    step = ours.weighted
    if isinstance(step.layer, Conv2d):
        return step.layer.kernel
    assert isinstance(step.layer, FullyConnected)
    if step.flattens:
        return flat.to_kernel(step.layer.weights, step.entering.shape, flat.OPENFACE)
    return step.layer.weights.T[:, :, None, None]


def check_turn(name: str, found: Arrangement, theirs: FoundConv | FoundDense) -> Iterator[Finding]:
    if found.turn:
        yield Finding(name, "kernel-turned", f"kernels {found.turn}", exact=True)
    order = theirs.order if isinstance(theirs, FoundDense) else None
    if found.order is not None and found.order != order:
        text = f"weights for an input laid flat {words(found.order)}, but it is laid flat {words(order)}"
        yield Finding(name, "dense-order", text, exact=True)


def words(order: str | None) -> str:
    return "in no known order" if order is None else f"as ({', '.join(order)})".replace("c", "channel")


def is_swapped(order: str | None, theirs: FoundConv | FoundDense) -> bool:
    stated = theirs.order if isinstance(theirs, FoundDense) else None
    return order is not None and stated is not None and order == stated.translate(str.maketrans("xy", "yx"))


def shapes(ours: OurSegment, theirs: TheirSegment) -> str:
    """What shape theirs has and ours, in words."""
    expected, layer = kernel_of(ours), theirs.weighted
    if isinstance(layer, FoundConv):
        return f"kernel {times(layer.kernel.shape)}, expected {times(expected.shape)}"
    inputs, channels = layer.weights.shape[0], expected.shape[1]
    text = f"{inputs} inputs, expected {expected[0].size} ({times(expected.shape[1:])})"
    if inputs == channels * 4:
        text += f"; {channels} x 2 x 2 = {inputs} is what floored pooling leaves"
    return text


def times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
