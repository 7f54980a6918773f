"""ONNX operators that change how a tensor lies, and none of its numbers.

They take and return what the operators of `layers` do.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..errors import Unsupported
from .builder import Builder
from .call import Call
from .tensor import Tensor


def flatten(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    if call.attributes.get("axis", 1) != 1:
        raise Unsupported("expected axis 1")
    return replace(tensor, flat=True)


def reshape(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    """To lay maps flat, (N, values): a shape of two sizes, or one that is computed from the batch's size.
    Any shape is taken after a layer of a head: TensorFlow's heads end so."""
    shape = call.known(1)
    if shape is not None and shape.size != 2 and not tensor.flat and not network.head:
        raise Unsupported(f"expected a shape (N, values), found {shape.tolist()}")
    return replace(tensor, flat=True)


def squeeze(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    return replace(tensor, flat=True)


def transpose(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    permutation = call.attributes.get("perm", range(len(tensor.axes))[::-1])
    if tensor.flat or len(permutation) != len(tensor.axes):
        raise Unsupported("expected maps, found a vector")
    return replace(tensor, axes="".join(tensor.axes[index] for index in permutation))


def pad(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    """Padding of y and x, kept for the next convolution or pooling. The values before each axis are in the
    first half of `pads`, those after it in the second."""
    given = call.constant(1)
    pads = np.array(call.attributes.get("pads", [])) if given is None else given
    if tensor.flat or pads.size != 2 * len(tensor.axes):
        raise Unsupported("expected padding of y and x only")
    added = dict(zip(tensor.axes, pads.reshape(2, -1).T.tolist(), strict=True))
    if any(added["n"] + added["c"]):
        raise Unsupported("expected padding of y and x only")
    (top, bottom), (left, right) = added["y"], added["x"]
    return replace(tensor, pads=tensor.padded((top, left, bottom, right)))


def gather(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    indices, axis = call.constant(1), call.attributes.get("axis", 0)
    if indices is None or network.layers or tensor.flat or tensor.axis(axis) != "c":
        raise Unsupported("expected it to reorder the picture's channels")
    return replace(tensor, channels=tuple(tensor.channels[int(index)] for index in indices.ravel()))


def slice_channels(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    arguments = [call.constant(index) for index in range(1, 5)]
    _, _, axes, steps = (np.array([0]) if one is None else one for one in arguments)
    channels = axes.size == 1 and not tensor.flat and tensor.axis(int(axes.flat[0])) == "c"
    if network.layers or not channels or steps.tolist() != [-1]:
        raise Unsupported("expected it to reverse the picture's channels")
    return replace(tensor, channels=tensor.channels[::-1])


def unchanged(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    return tensor


def quantise(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    step = call.constant(1)
    told = "" if step is None else f", step {float(step.flat[0]):.6g}"
    network.note(f"{call.name}: what enters is quantised{told}")
    return tensor
