"""The ONNX operators that the reader supports.

Each operator has a function. The function takes the node, the input tensor and the network that was read so
far, and returns the output tensor. The reader sets the name of the output tensor. The function reads every
attribute and input that changes the result. It raises Unsupported if the network cannot represent the result.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ...types import FloatArray
from ..errors import Unsupported
from ..found import NO_PADS, FoundActivation, FoundConv, FoundFullyConnected, FoundPool, Pads
from .builder import Builder
from .node import Call
from .tensor import ONE, Extent, Tensor, product

FLOATS = (1, 10, 11, 16)  # numbers of the types float32, float16, float64 and bfloat16 in ONNX
LOWEST = float(np.finfo(np.float32).min)


def conv(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    kernel, bias = call.numbers(1), call.numbers(2)
    if kernel is None or kernel.ndim != 4:
        raise Unsupported("expected a constant kernel of rank 4")
    if call.attributes.get("group", 1) != 1 or call.dilated:
        raise Unsupported("expected group 1 and dilations of 1")
    if tensor.pads != NO_PADS and tensor.filler:
        raise Unsupported(f"expected a Pad with the value 0 before it, found the value {tensor.filler:g}")
    strides, pads = call.pair("strides", (1, 1)), conv_pads(call, kernel)
    if not any(isinstance(layer, FoundConv) for layer in network.layers):
        if kernel.shape[1] != 3:
            raise Unsupported(f"expected 3 input maps in the first convolution, found {kernel.shape[1]}")
        kernel = kernel[:, np.argsort(tensor.channels)]
    if tensor.is_transposed:
        kernel, strides, pads = kernel.swapaxes(2, 3), strides[::-1], swap_axes(pads)
    kernel = np.ascontiguousarray(kernel)
    layer = FoundConv(call.name, kernel, vector(bias), tensor.padded(pads), strides)
    network.add(layer)
    height, width = (
        conv_size(tensor.sizes[letter], layer, axis, call.name) for axis, letter in enumerate("yx")
    )
    return tensor.resized(height, width, len(kernel))


def conv_size(size: Extent, layer: FoundConv, axis: int, name: str) -> Extent:
    """Return the number of rows (axis 0) or columns (axis 1) of the output of a convolution."""
    kernel, stride = layer.kernel.shape[2 + axis], layer.strides[axis]
    more = layer.pads[axis] + layer.pads[2 + axis] - kernel
    if stride == 1 and more == -1:
        return size
    return known_size((size.number + more) // stride + 1 if size.is_known else 0, axis, name)


def known_size(number: int, axis: int, name: str) -> Extent:
    """Return a number of rows or columns. If it is unknown (`number` is 0), the result is a new symbol."""
    return Extent(number) if number > 0 else Extent(1, (f"{'yx'[axis]} of {name}",))


def conv_pads(call: Call, kernel: FloatArray) -> Pads:
    """Return the padding of a convolution. If auto_pad is SAME, the padding keeps the size of the maps."""
    if not call.same:
        return call.pads
    more = [size - 1 for size in kernel.shape[2:]]
    top, left = (rest // 2 if call.same == "SAME_UPPER" else -(-rest // 2) for rest in more)
    return top, left, more[0] - top, more[1] - left


def swap_axes(pads: Pads) -> Pads:
    """Return the padding with x and y swapped."""
    return pads[1], pads[0], pads[3], pads[2]


def max_pool(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    kernel, strides, pads = call.pair("kernel_shape"), call.pair("strides", (1, 1)), call.pads
    if call.dilated or call.attributes.get("storage_order", 0):
        raise Unsupported("expected dilations of 1 and storage_order 0")
    if call.same == "SAME_LOWER":
        raise Unsupported("expected auto_pad NOTSET, VALID or SAME_UPPER, found SAME_LOWER")
    if tensor.pads != NO_PADS and not tensor.filler <= LOWEST:
        raise Unsupported(
            f"expected a Pad with the value -infinity before it, found the value {tensor.filler:g}"
        )
    ceil = call.attributes.get("ceil_mode", 0)
    if ceil not in (0, 1):
        raise Unsupported(f"expected ceil_mode 0 or 1, found {ceil}")
    mode = "same" if call.same else "ceil" if ceil else "floor"
    if tensor.is_transposed:
        kernel, strides, pads = kernel[::-1], strides[::-1], swap_axes(pads)
    layer = FoundPool(call.name, kernel, strides, tensor.padded(pads), mode)
    network.add(layer)
    height, width = (
        known_size(layer.windows(size.number, axis)[1] if size.is_known else 0, axis, call.name)
        for axis, size in enumerate((tensor.sizes["y"], tensor.sizes["x"]))
    )
    return tensor.resized(height, width, tensor.sizes["c"].number)


def prelu(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    slopes = call.numbers(1)
    if slopes is None:
        raise Unsupported("expected constant slopes")
    slopes = tensor.per_channel(slopes, tensor.sizes["c"].number)
    network.add(FoundActivation(call.name, "PRelu", slopes))
    return tensor


def activation(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    """Read LeakyRelu, Relu or Sigmoid."""
    slope = call.attributes.get("alpha", 0.01) if call.operator == "LeakyRelu" else 0
    network.add(FoundActivation(call.name, call.operator, np.array([slope], np.float32)))
    return tensor


def softmax(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    """Record a Softmax.

    No layer represents a Softmax. Therefore it is valid only at the end of the network and over the two
    classes.
    """
    network.check_softmax(f"before {call.name}")
    axis = call.attributes.get("axis", 1 if call.version < 13 else -1)
    over = tensor.axis(axis)
    if call.version < 13:  # such a Softmax is over this axis and all later axes
        over = "".join(tensor.axes[axis:])
    network.softmax = call.name
    network.is_over_classes = over == "c" and tensor.sizes["c"].number == 2
    return tensor


def gemm(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    weights, bias = call.numbers(1), call.numbers(2)
    if weights is None or weights.ndim != 2 or call.attributes.get("transA"):
        raise Unsupported("expected constant weights of rank 2 and transA 0")
    if not tensor.flat:
        raise Unsupported(f"expected a vector (N, values), found axes {tensor.layout}")
    weights = weights.T if call.attributes.get("transB") else weights
    weights = weights * np.float32(call.attributes.get("alpha", 1.0))
    if bias is not None:
        if bias.shape[-2:-1] not in ((), (1,)) or bias.ndim > 2:
            raise Unsupported(f"expected a bias for each output, found shape {bias.shape}")
        bias = bias * np.float32(call.attributes.get("beta", 1.0))
    return fully_connected(call, tensor, network, weights, vector(bias))


def mat_mul(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    weights = call.numbers(1)
    if weights is None or weights.ndim != 2:
        raise Unsupported("expected constant weights of rank 2 as its second input")
    return fully_connected(call, tensor, network, weights, None)


def fully_connected(
    call: Call, tensor: Tensor, network: Builder, weights: FloatArray, bias: FloatArray | None
) -> Tensor:
    """Add a fully connected layer. If the input is maps with channels last, add a 1x1 convolution instead."""
    outputs = weights.shape[1]
    if tensor.flat:
        network.add(FoundFullyConnected(call.name, weights, bias, tensor.order))
        return tensor.vector(outputs)
    if tensor.axis(-1) != "c" or len(tensor.axes) != 4:
        raise Unsupported(f"expected a vector, or maps with channels last, found axes {tensor.layout}")
    network.add(FoundConv(call.name, weights.T[:, :, None, None], bias))
    return tensor.resized(tensor.sizes["y"], tensor.sizes["x"], outputs)


def arithmetic(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    """Read an Add, Sub, Mul or Div with a constant.

    Before the first layer, it belongs to the normalisation of the image. After a layer, an Add is the layer's
    bias.
    """
    value, first = call.other_input(tensor.name)
    if tensor.element not in FLOATS:
        raise Unsupported(
            "expected floating-point numbers, found integers; insert a Cast to float32 before this node"
        )
    number = tensor.per_channel(value, tensor.sizes["c"].number)
    if network.layers:
        if call.operator != "Add" or not network.add_bias(number):
            raise Unsupported(
                "expected arithmetic only before the first layer, or an Add of the bias after a layer"
            )
        return tensor
    if first and call.operator == "Div":
        raise Unsupported("expected the image divided by a constant, found a constant divided by the image")
    if number.size == 3:
        number = number[np.argsort(tensor.channels)]
    wide, one, none = number.astype(np.float64), np.ones(1), np.zeros(1)
    if not np.isfinite(wide).all() or (call.operator == "Div" and not wide.all()):
        raise Unsupported("expected finite constants and no division by 0")
    if call.operator == "Sub":
        network.normalise(*((-one, wide) if first else (one, -wide)))
    elif call.operator == "Add":
        network.normalise(one, wide)
    else:
        network.normalise(wide if call.operator == "Mul" else 1 / wide, none)
    return tensor


def vector(value: np.ndarray | None) -> FloatArray | None:
    return None if value is None else value.astype(np.float32).ravel()


WIDTHS = {1: 24, 10: 11, 11: 53, 16: 8}  # number of significant bits of each type in FLOATS
# Numbers of the integer types, uint8 … uint64. Only the image can have such a type, and its values are at
# most 255.
INTEGERS = (2, 3, 4, 5, 6, 7, 12, 13)


def flatten(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    axis = call.attributes.get("axis", 1)
    if axis not in (1, 1 - len(tensor.axes)) or tensor.axes[0] != "n":
        raise Unsupported(
            f"expected axis 1 (the first axis after the batch), found axis {axis} of {tensor.layout}"
        )
    return tensor.reshaped([tensor.sizes["n"], product(tensor.shape[1:])])


def reshape(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    """Read a Reshape that keeps the batch and the order of values. The new shape may depend on sizes."""
    target, own = call.shape(1), tensor.shape
    if call.attributes.get("allowzero", 0) and any(extent == Extent(0) for extent in target):
        raise Unsupported("expected no axis of size 0")
    target = [own[i] if extent == Extent(0) and i < len(own) else extent for i, extent in enumerate(target)]
    if Extent(-1) in target:
        rest = product(extent for extent in target if extent != Extent(-1))
        left = product(own).divided_by(rest)
        if left is None or target.count(Extent(-1)) > 1:
            raise Unsupported(
                f"expected a shape with the same number of values, found ({', '.join(map(str, target))})"
            )
        target[target.index(Extent(-1))] = left
    try:
        return tensor.reshaped(target)
    except Unsupported as error:
        shape = f"({', '.join(map(str, target))})"
        raise Unsupported(f"{error}; it reshapes {tensor.layout} to {shape}") from error


def squeeze(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    """Remove axes of size 1. The batch axis can be removed only if the input of the graph has one item."""
    given = call.constant(1)
    stated = call.attributes.get("axes") if given is None else given.ravel().tolist()
    if stated is None:
        if not all(extent.is_known for extent in tensor.shape):
            raise Unsupported(
                "expected the axes to remove: without them, the result depends on the image size"
            )
        stated = [index for index, extent in enumerate(tensor.shape) if extent == ONE]
    rank = len(tensor.axes)
    dropped = {index % rank for index in stated if -rank <= index < rank}
    for index in dropped:
        extent = tensor.shape[index]
        if extent != ONE and (extent.is_known or tensor.axes[index] not in ("y", "x")):
            raise Unsupported(f"expected axes of size 1, found axis {index} of size {extent}")
    kept = tuple(axis for index, axis in enumerate(tensor.axes) if index not in dropped)
    return replace(tensor, axes=kept)


def transpose(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    rank = len(tensor.axes)
    permutation = list(call.attributes.get("perm", range(rank)[::-1]))
    if sorted(permutation) != list(range(rank)) or (rank == 2 and permutation != [0, 1]):
        raise Unsupported(
            f"expected a permutation of the axes of maps, found {permutation} for {tensor.layout}"
        )
    return replace(tensor, axes=tuple(tensor.axes[index] for index in permutation))


def pad(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    """Store the padding of y and x for the next layer.

    The padding before a convolution must consist of zeros, and the padding before a pooling of -infinity.

    The first half of `pads` is the padding before each axis, and the second half is the padding after it.
    """
    given, value, axes = call.constant(1), call.constant(2), call.constant(3)
    pads = np.array(call.attributes.get("pads", []), np.int64) if given is None else given
    filler = float(call.attributes.get("value", 0.0) if value is None else value.flat[0])
    mode = call.attributes.get("mode", b"constant")
    if mode != b"constant" or axes is not None:
        raise Unsupported("expected mode constant and no input axes")
    if pads.size != 2 * len(tensor.axes) or (pads.size and pads.min() < 0):
        raise Unsupported(
            f"expected two padding sizes (0 or more) for each of {len(tensor.axes)} axes, "
            f"found {pads.tolist()}"
        )
    added = dict(zip(tensor.axes, pads.reshape(2, -1).T.tolist(), strict=True))
    if any(any(sizes) for axis, sizes in added.items() if axis not in ("y", "x")):
        raise Unsupported("expected padding only along the axes y and x")
    if not pads.any():
        return tensor
    if tensor.pads != NO_PADS:
        raise Unsupported("expected at most one Pad before a layer")
    (top, bottom), (left, right) = added.get("y", (0, 0)), added.get("x", (0, 0))
    return replace(tensor, pads=(top, left, bottom, right), filler=filler)


def gather(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    indices, axis = call.constant(1), call.attributes.get("axis", 0)
    if indices is None or indices.ndim != 1 or network.layers or tensor.axis(axis) != "c":
        raise Unsupported("expected a Gather only of the image's channels, before the first layer")
    return reordered(tensor, [int(index) for index in indices])


SLICE = "expected a Slice only to reverse all channels of the image, before the first layer"


def slice_channels(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    starts, ends, axes, steps = (call.constant(index) for index in range(1, 5))
    if starts is None or ends is None or axes is None or steps is None or network.layers:
        raise Unsupported(SLICE)
    sizes = {one.size for one in (starts, ends, axes, steps)}
    if sizes != {1} or tensor.axis(int(axes.flat[0])) != "c" or int(steps.flat[0]) != -1:
        raise Unsupported(SLICE)
    start, end = int(starts.flat[0]), int(ends.flat[0])
    if start not in (-1, 2) and start < 3:
        raise Unsupported(SLICE)
    if end > -4:  # such a Slice does not reach the first channel: -1 is the last channel
        raise Unsupported(SLICE)
    return reordered(tensor, [2, 1, 0])


def reordered(tensor: Tensor, indices: list[int]) -> Tensor:
    """Return the image with its channels in another order."""
    if sorted(index % 3 if -3 <= index < 3 else index for index in indices) != [0, 1, 2]:
        raise Unsupported(f"expected each of the image's channels once, found {indices}")
    return replace(tensor, channels=tuple(tensor.channels[index] for index in indices))


def identity(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    return tensor


def dropout(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    """Record a Dropout as an alteration if it is in training mode. Otherwise it has no effect."""
    training, ratio = call.constant(2), call.constant(1)
    if training is not None and training.any() and (ratio is None or ratio.any()):
        network.alter(f"{call.name} (Dropout) in training mode: it drops random values")
    return tensor


def cast(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    """Read a Cast. If it rounds its input, record it as an alteration."""
    to = int(call.attributes.get("to", 0))
    exact = to in FLOATS and (
        WIDTHS.get(tensor.element, 99) <= WIDTHS[to]
        or (tensor.element in INTEGERS and to in (1, 11))
        or (tensor.element == 11 and to == 1)
    )
    if not exact:
        network.alter(f"{call.name} (Cast) rounds its input")
    return replace(tensor, element=to)


def quantise(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    step = call.constant(1)
    size = "" if step is None else f", step {float(step.flat[0]):.6g}"
    network.alter(f"{call.name}: it quantises its input{size}")
    return tensor


@dataclass(frozen=True)
class Operator:
    """The function of an operator, and the attributes that the function reads.

    A node with any other attribute causes an error.
    """

    read: Callable[[Call, Tensor, Builder], Tensor]
    attributes: tuple[str, ...] = ()


OPERATORS = {
    "Conv": Operator(conv, ("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides")),
    "MaxPool": Operator(
        max_pool, ("auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads", "storage_order", "strides")
    ),
    "PRelu": Operator(prelu),
    "LeakyRelu": Operator(activation, ("alpha",)),
    "Relu": Operator(activation),
    "Sigmoid": Operator(activation),
    "Softmax": Operator(softmax, ("axis",)),
    "LogSoftmax": Operator(softmax, ("axis",)),
    "Gemm": Operator(gemm, ("alpha", "beta", "transA", "transB")),
    "MatMul": Operator(mat_mul),
    "Add": Operator(arithmetic),
    "Sub": Operator(arithmetic),
    "Mul": Operator(arithmetic),
    "Div": Operator(arithmetic),
    "Flatten": Operator(flatten, ("axis",)),
    "Reshape": Operator(reshape, ("allowzero",)),
    "Squeeze": Operator(squeeze, ("axes",)),
    "Transpose": Operator(transpose, ("perm",)),
    "Pad": Operator(pad, ("mode", "pads", "value")),
    "Gather": Operator(gather, ("axis",)),
    "Slice": Operator(slice_channels, ("axes", "ends", "starts")),
    "Identity": Operator(identity),
    "Dropout": Operator(dropout, ("ratio", "seed")),
    "Cast": Operator(cast, ("saturate", "to")),
    "QuantizeLinear": Operator(quantise, ("axis", "block_size", "output_dtype", "precision", "saturate")),
    "DequantizeLinear": Operator(quantise, ("axis", "block_size", "output_dtype")),
}
