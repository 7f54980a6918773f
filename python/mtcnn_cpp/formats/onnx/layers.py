"""ONNX operators that add to the network: layers, their biases, and the normalisation of the image.

Every operator takes its node, the tensor that enters and the network read so far, and returns the tensor
that leaves. The reader gives that its name. An operator reads all attributes and inputs of its node that
change what it computes, and raises Unsupported where that is nothing the network can hold.
"""

from __future__ import annotations

import numpy as np

from ...types import FloatArray
from ..errors import Unsupported
from ..found import NO_PADS, FoundActivation, FoundConv, FoundDense, FoundPool, Pads
from .builder import Builder
from .call import Call
from .extent import Extent
from .tensor import Tensor

FLOATS = (1, 10, 11, 16)  # ONNX's numbers of float32, float16, float64, bfloat16
LOWEST = float(np.finfo(np.float32).min)


def conv(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    kernel, bias = call.numbers(1), call.numbers(2)
    if kernel is None or kernel.ndim != 4:
        raise Unsupported("expected a kernel of rank 4")
    if call.attributes.get("group", 1) != 1 or call.dilated:
        raise Unsupported("expected no groups and no dilation")
    if tensor.pads != NO_PADS and tensor.filler:
        raise Unsupported(f"expected padding of zeros before it, found {tensor.filler:g}")
    strides, pads = call.pair("strides", (1, 1)), conv_pads(call, kernel)
    if not any(isinstance(layer, FoundConv) for layer in network.layers):
        if kernel.shape[1] != 3:
            raise Unsupported(f"expected 3 input maps in the first convolution, found {kernel.shape[1]}")
        kernel = kernel[:, np.argsort(tensor.channels)]
    if tensor.sideways:
        kernel, strides, pads = kernel.swapaxes(2, 3), strides[::-1], upright(pads)
    kernel = np.ascontiguousarray(kernel)
    layer = FoundConv(call.name, kernel, vector(bias), tensor.padded(pads), strides)
    network.add(layer)
    height, width = (
        conv_size(tensor.sizes[letter], layer, axis, call.name) for axis, letter in enumerate("yx")
    )
    return tensor.resized(height, width, len(kernel))


def conv_size(size: Extent, layer: FoundConv, axis: int, name: str) -> Extent:
    """How many rows (axis 0) or columns (1) leave a convolution."""
    kernel, stride = layer.kernel.shape[2 + axis], layer.strides[axis]
    more = layer.pads[axis] + layer.pads[2 + axis] - kernel
    if stride == 1 and more == -1:
        return size
    return known_size((size.number + more) // stride + 1 if size.is_known else 0, axis, name)


def known_size(number: int, axis: int, name: str) -> Extent:
    """A symbol of its own for a size that is not known."""
    return Extent(number) if number > 0 else Extent(1, (f"{'yx'[axis]} of {name}",))


def conv_pads(call: Call, kernel: FloatArray) -> Pads:
    """A convolution's own padding; SAME keeps the size of the maps."""
    if not call.same:
        return call.pads
    more = [size - 1 for size in kernel.shape[2:]]
    top, left = (rest // 2 if call.same == "SAME_UPPER" else -(-rest // 2) for rest in more)
    return top, left, more[0] - top, more[1] - left


def upright(pads: Pads) -> Pads:
    """Padding of rows and columns that run along x and y, as (top, left, bottom, right)."""
    return pads[1], pads[0], pads[3], pads[2]


def max_pool(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    kernel, strides, pads = call.pair("kernel_shape"), call.pair("strides", (1, 1)), call.pads
    if call.dilated or call.attributes.get("storage_order", 0):
        raise Unsupported("expected no dilation, and storage_order 0")
    if call.same == "SAME_LOWER":
        raise Unsupported("expected auto_pad NOTSET, VALID or SAME_UPPER, found SAME_LOWER")
    if tensor.pads != NO_PADS and not tensor.filler <= LOWEST:
        raise Unsupported(f"expected padding of -infinity before it, found {tensor.filler:g}")
    ceil = call.attributes.get("ceil_mode", 0)
    if ceil not in (0, 1):
        raise Unsupported(f"expected ceil_mode 0 or 1, found {ceil}")
    mode = "same" if call.same else "ceil" if ceil else "floor"
    if tensor.sideways:
        kernel, strides, pads = kernel[::-1], strides[::-1], upright(pads)
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
    """LeakyRelu, Relu, Sigmoid."""
    slope = call.attributes.get("alpha", 0.01) if call.operator == "LeakyRelu" else 0
    network.add(FoundActivation(call.name, call.operator, np.array([slope], np.float32)))
    return tensor


def softmax(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    """Left out. It is no mistake at the end, over the two classes."""
    network.check_softmax(f"before {call.name}")
    axis = call.attributes.get("axis", 1 if call.version < 13 else -1)
    over = tensor.axis(axis)
    if call.version < 13:  # all axes from that one on
        over = "".join(tensor.axes[axis:])
    network.softmax = call.name
    network.of_classes = over == "c" and tensor.sizes["c"].number == 2
    return tensor


def gemm(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    weights, bias = call.numbers(1), call.numbers(2)
    if weights is None or weights.ndim != 2 or call.attributes.get("transA"):
        raise Unsupported("expected constant weights of rank 2, and transA = 0")
    if not tensor.flat:
        raise Unsupported(f"expected a vector (N, values), found axes {tensor.layout}")
    weights = weights.T if call.attributes.get("transB") else weights
    weights = weights * np.float32(call.attributes.get("alpha", 1.0))
    if bias is not None:
        if bias.shape[-2:-1] not in ((), (1,)) or bias.ndim > 2:
            raise Unsupported(f"expected a bias for each output, found shape {bias.shape}")
        bias = bias * np.float32(call.attributes.get("beta", 1.0))
    return dense(call, tensor, network, weights, vector(bias))


def mat_mul(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    weights = call.numbers(1)
    if weights is None or weights.ndim != 2:
        raise Unsupported("expected constant weights of rank 2, on the right")
    return dense(call, tensor, network, weights, None)


def dense(
    call: Call, tensor: Tensor, network: Builder, weights: FloatArray, bias: FloatArray | None
) -> Tensor:
    """A fully connected layer on a vector; on maps with channels last it is a 1x1 convolution."""
    outputs = weights.shape[1]
    if tensor.flat:
        network.add(FoundDense(call.name, weights, bias, tensor.order))
        return tensor.vector(outputs)
    if tensor.axis(-1) != "c" or len(tensor.axes) != 4:
        raise Unsupported(f"expected a vector, or maps with channels last, found axes {tensor.layout}")
    network.add(FoundConv(call.name, weights.T[:, :, None, None], bias))
    return tensor.resized(tensor.sizes["y"], tensor.sizes["x"], outputs)


def arithmetic(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    """Add, Sub, Mul, Div with a constant: before the first layer normalisation, after it a layer's bias."""
    value, first = call.other(tensor.name)
    if tensor.element not in FLOATS:
        raise Unsupported(
            "expected arithmetic on floating-point numbers, found whole numbers; Cast them first"
        )
    number = tensor.per_channel(value, tensor.sizes["c"].number)
    if network.layers:
        if call.operator != "Add" or not network.add_bias(number):
            raise Unsupported("expected arithmetic only before the first layer, or an Add as a layer's bias")
        return tensor
    if first and call.operator == "Div":
        raise Unsupported("expected a division by a constant, found one of a constant")
    if number.size == 3:
        number = number[np.argsort(tensor.channels)]
    wide, one, none = number.astype(np.float64), np.ones(1), np.zeros(1)
    if not np.isfinite(wide).all() or (call.operator == "Div" and not wide.all()):
        raise Unsupported("expected finite constants, and no division by 0")
    if call.operator == "Sub":
        network.normalise(*((-one, wide) if first else (one, -wide)))
    elif call.operator == "Add":
        network.normalise(one, wide)
    else:
        network.normalise(wide if call.operator == "Mul" else 1 / wide, none)
    return tensor


def vector(value: np.ndarray | None) -> FloatArray | None:
    return None if value is None else value.astype(np.float32).ravel()
