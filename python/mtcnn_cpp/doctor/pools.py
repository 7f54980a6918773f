"""Pooling, padding and strides: what a graph states, and a table of weights does not."""

from __future__ import annotations

from collections.abc import Iterator

from ..formats.found import NO_PADS, FoundConv, FoundPool
from ..reference.model import MaxPool
from ..reference.plan import Step, pooled_size
from .findings import Finding

ANY_SIZE = 64  # sizes up to which the pooling of a network for any size is tried


def check_pool(ours: Step, theirs: FoundPool) -> Iterator[Finding]:
    """Window, step and number of windows, for the sizes that can occur here."""
    layer = ours.layer
    assert isinstance(layer, MaxPool)
    size = ours.entering.size
    expected = (layer.kernel_y, layer.kernel_x), (layer.stride_y, layer.stride_x)
    if (theirs.kernel, theirs.strides) != expected:
        text = f"windows of {window(theirs.kernel, theirs.strides)}, expected {window(*expected)}"
        yield Finding(ours.name, "pool-size", text, exact=True)
        return
    wrong: dict[tuple[str, str, str, str], str] = {}  # what, and how it shows → along which axes
    for axis, name in enumerate("yx"):
        kernel, stride = theirs.kernel[axis], theirs.strides[axis]
        for n in range(kernel, ANY_SIZE) if size is None else [size[axis]]:
            (begin, found), right = theirs.windows(n, axis), pooled_size(n, kernel, stride)
            if (begin, found) != (0, right):
                kind, text = describe(begin, found, right, theirs.mode)
                key = kind, text, f"{n} → {found}", f"{n} → {right}"
                wrong[key] = f"{wrong[key]} and {name}" if key in wrong else name
                break
    for (kind, text, size_found, expected_size), axes in wrong.items():
        evidence = {"size": size_found, "expected": expected_size}
        yield Finding(ours.name, kind, f"{text} along {axes}", evidence, exact=True)


def describe(begin: int, found: int, right: int, mode: str) -> tuple[str, str]:
    if begin:
        return "padding", f"padding of {begin} before the first window"
    return "pool-size", "pooling floored" if found < right and mode == "floor" else "pooling of another size"


def check_conv(name: str, theirs: FoundConv) -> Iterator[Finding]:
    if theirs.pads != NO_PADS:
        top, left, bottom, right = theirs.pads
        text = f"padding added: {top} above, {bottom} below, {left} left, {right} right"
        evidence = {"maps grow by": f"{top + bottom} x {left + right}"}
        yield Finding(name, "padding", text, evidence, exact=True)
    if theirs.strides != (1, 1):
        text = f"stride {theirs.strides[0]} x {theirs.strides[1]}, expected 1 x 1"
        yield Finding(name, "stride", text, exact=True)


def window(kernel: tuple[int, int], strides: tuple[int, int]) -> str:
    return f"{kernel[0]} x {kernel[1]} every {strides[0]} x {strides[1]}"
