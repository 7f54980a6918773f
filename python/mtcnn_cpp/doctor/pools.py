"""Pooling, padding and strides: what a graph states, and a table of weights does not."""

from __future__ import annotations

from collections.abc import Iterator

from ..formats.found import NO_PADS, FoundConv, FoundPool
from ..formats.pooling import Windows, found_pool, other_windows
from ..formats.recognise import official
from ..reference.model import MaxPool
from ..reference.plan import STAGES, Maps, Pooled, Step, pooled_size, walk
from ..types import StageName
from .findings import Finding


def floored(size: int, kernel: int, stride: int) -> int:
    """How many windows a pooling makes that rounds down: the mistake that ports make most often."""
    return (size - kernel) // stride + 1


def entering(stage: StageName, name: str, pooled: Pooled = pooled_size) -> Maps:
    """The maps that enter a layer of OpenFace's network, if every pooling makes that many windows."""
    steps = walk(official(stage), STAGES[stage].size, pooled=pooled)
    return next(step.entering for step in steps if step.name == name)


def check_pool(ours: Step, theirs: FoundPool) -> Iterator[Finding]:
    """Kernel and strides; then the number of windows, for every size that can come up."""
    assert isinstance(ours.layer, MaxPool)
    expected = found_pool(ours.name, ours.layer)
    if (theirs.kernel, theirs.strides) != (expected.kernel, expected.strides):
        text = f"windows of {window(theirs)}, expected {window(expected)}"
        yield Finding(ours.name, "pool-size", text, exact=True)
        return
    axes: dict[tuple[str, str, str, str], list[str]] = {}  # what is said once for both axes
    for other in other_windows(theirs, ours.entering.size):
        there, expected_there = (f"{other.size} → {count}" for count in (other.found, other.expected))
        axes.setdefault((*describe(other, theirs.mode), there, expected_there), []).append(other.axis)
    for (kind, text, there, expected_there), names in axes.items():
        evidence = {"size": there, "expected": expected_there}
        yield Finding(ours.name, kind, f"{text} along {' and '.join(names)}", evidence, exact=True)


def describe(other: Windows, mode: str) -> tuple[str, str]:
    """Kind and words."""
    if other.begin:
        return "padding", f"padding of {other.begin} before the first window"
    fewer = other.found < other.expected and mode == "floor"
    return "pool-size", "pooling floored" if fewer else "pooling of another size"


def check_conv(name: str, theirs: FoundConv) -> Iterator[Finding]:
    """OpenFace's convolutions have no padding and stride 1."""
    if theirs.pads != NO_PADS:
        top, left, bottom, right = theirs.pads
        text = f"padding added: {top} above, {bottom} below, {left} left, {right} right"
        evidence = {"maps grow by": f"{top + bottom} x {left + right}"}
        yield Finding(name, "padding", text, evidence, exact=True)
    if theirs.strides != (1, 1):
        text = f"stride {theirs.strides[0]} x {theirs.strides[1]}, expected 1 x 1"
        yield Finding(name, "stride", text, exact=True)


def window(pool: FoundPool) -> str:
    return f"{pool.kernel[0]} x {pool.kernel[1]} every {pool.strides[0]} x {pool.strides[1]}"
