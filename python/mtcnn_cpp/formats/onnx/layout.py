"""ONNX operators that change how a tensor lies, and none of its numbers.

They take and return what the operators of `layers` do.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..errors import Unsupported
from ..found import NO_PADS
from .builder import Builder
from .call import Call
from .extent import ONE, Extent, product
from .layers import FLOATS
from .tensor import Tensor

WIDTHS = {1: 24, 10: 11, 11: 53, 16: 8}  # digits, in bits, of ONNX's floating-point types by their numbers
INTEGERS = (2, 3, 4, 5, 6, 7, 12, 13)  # uint8 … uint64: only the image can be such, with values up to 255


def flatten(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    axis = call.attributes.get("axis", 1)
    if axis not in (1, 1 - len(tensor.axes)) or tensor.axes[0] != "n":
        raise Unsupported(f"expected axis 1, behind the batch, found axis {axis} of {tensor.layout}")
    return tensor.reshaped([tensor.sizes["n"], product(tensor.shape[1:])])


def reshape(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    """A shape that keeps items apart and values in order. It may be computed from the tensors' sizes."""
    target, own = call.shape(1), tensor.shape
    if call.attributes.get("allowzero", 0) and any(extent == Extent(0) for extent in target):
        raise Unsupported("expected no axis of size 0")
    target = [own[i] if extent == Extent(0) and i < len(own) else extent for i, extent in enumerate(target)]
    if Extent(-1) in target:
        rest = product(extent for extent in target if extent != Extent(-1))
        left = product(own).divided_by(rest)
        if left is None or target.count(Extent(-1)) > 1:
            raise Unsupported(f"expected a shape of as many values, found ({', '.join(map(str, target))})")
        target[target.index(Extent(-1))] = left
    try:
        return tensor.reshaped(target)
    except Unsupported as error:
        told = f"({', '.join(map(str, target))})"
        raise Unsupported(f"{error}; it makes {told} of {tensor.layout}") from error


def squeeze(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    """Axes of size 1. That of the batch only where the graph's input has one item."""
    given = call.constant(1)
    stated = call.attributes.get("axes") if given is None else given.ravel().tolist()
    if stated is None:
        if not all(extent.is_known for extent in tensor.shape):
            raise Unsupported("expected its axes: without them the result depends on the sizes")
        stated = [index for index, extent in enumerate(tensor.shape) if extent == ONE]
    rank = len(tensor.axes)
    dropped = {index % rank for index in stated if -rank <= index < rank}
    for index in dropped:
        extent = tensor.shape[index]
        if extent != ONE and (extent.is_known or tensor.axes[index] not in ("y", "x")):
            raise Unsupported(f"expected axes of size 1, found {tensor.axes[index]} of {extent}")
    kept = tuple(axis for index, axis in enumerate(tensor.axes) if index not in dropped)
    return replace(tensor, axes=kept)


def transpose(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    rank = len(tensor.axes)
    permutation = list(call.attributes.get("perm", range(rank)[::-1]))
    if sorted(permutation) != list(range(rank)) or (rank == 2 and permutation != [0, 1]):
        raise Unsupported(f"expected maps, found axes {tensor.layout}, permuted by {permutation}")
    return replace(tensor, axes=tuple(tensor.axes[index] for index in permutation))


def pad(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    """Padding of y and x, kept for the next convolution (zeros) or pooling (-infinity). The values before
    each axis are in the first half of `pads`, those after it in the second."""
    given, value, axes = call.constant(1), call.constant(2), call.constant(3)
    pads = np.array(call.attributes.get("pads", []), np.int64) if given is None else given
    filler = float(call.attributes.get("value", 0.0) if value is None else value.flat[0])
    mode = call.attributes.get("mode", b"constant")
    if mode != b"constant" or axes is not None:
        raise Unsupported("expected padding by a constant along all axes")
    if pads.size != 2 * len(tensor.axes) or (pads.size and pads.min() < 0):
        raise Unsupported("expected padding of y and x only")
    added = dict(zip(tensor.axes, pads.reshape(2, -1).T.tolist(), strict=True))
    if any(any(sizes) for axis, sizes in added.items() if axis not in ("y", "x")):
        raise Unsupported("expected padding of y and x only")
    if not pads.any():
        return tensor
    if tensor.pads != NO_PADS:
        raise Unsupported("expected one Pad before a layer")
    (top, bottom), (left, right) = added.get("y", (0, 0)), added.get("x", (0, 0))
    return replace(tensor, pads=(top, left, bottom, right), filler=filler)


def gather(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    indices, axis = call.constant(1), call.attributes.get("axis", 0)
    if indices is None or indices.ndim != 1 or network.layers or tensor.axis(axis) != "c":
        raise Unsupported("expected it to reorder the image's channels")
    return reordered(tensor, [int(index) for index in indices])


def slice_channels(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    starts, ends, axes, steps = (call.constant(index) for index in range(1, 5))
    if starts is None or ends is None or axes is None or steps is None or network.layers:
        raise Unsupported("expected it to reverse the image's channels")
    sizes = {one.size for one in (starts, ends, axes, steps)}
    if sizes != {1} or tensor.axis(int(axes.flat[0])) != "c" or int(steps.flat[0]) != -1:
        raise Unsupported("expected it to reverse the image's channels")
    start, end = int(starts.flat[0]), int(ends.flat[0])
    if start not in (-1, 2) and start < 3:
        raise Unsupported("expected it to reverse the image's channels")
    if end > -4:  # -1 would be the last of them
        raise Unsupported("expected it to reverse all of the image's channels")
    return reordered(tensor, [2, 1, 0])


def reordered(tensor: Tensor, indices: list[int]) -> Tensor:
    """The image's channels in another order."""
    if sorted(index % 3 if -3 <= index < 3 else index for index in indices) != [0, 1, 2]:
        raise Unsupported(f"expected each of the image's channels once, found {indices}")
    return replace(tensor, channels=tuple(tensor.channels[index] for index in indices))


def identity(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    return tensor


def dropout(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    """Nothing, except in training."""
    training, ratio = call.constant(2), call.constant(1)
    if training is not None and training.any() and (ratio is None or ratio.any()):
        network.alter(f"{call.name} (Dropout) in training mode: it drops values by chance")
    return tensor


def cast(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    """To a type that holds the same numbers."""
    to = int(call.attributes.get("to", 0))
    exact = to in FLOATS and (
        WIDTHS.get(tensor.element, 99) <= WIDTHS[to]
        or (tensor.element in INTEGERS and to in (1, 11))
        or (tensor.element == 11 and to == 1)
    )
    if not exact:
        network.alter(f"{call.name} (Cast) rounds what enters it")
    return replace(tensor, element=to)


def quantise(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    step = call.constant(1)
    told = "" if step is None else f", step {float(step.flat[0]):.6g}"
    network.alter(f"{call.name}: what enters is quantised{told}")
    return tensor
