"""ONNX operators that add to the network: layers, their biases, and what is done to the picture first.

Every operator takes its node, the tensor that enters and the network read so far, and returns the tensor
that leaves. The reader gives that its name.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...types import FloatArray
from ..errors import Unsupported
from ..found import NO_PADS, FoundActivation, FoundConv, FoundDense, FoundPool, Pads
from .builder import Builder
from .call import Call
from .tensor import Tensor


def conv(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    kernel, bias = call.constant(1), call.constant(2)
    if kernel is None or kernel.ndim != 4:
        raise Unsupported("expected a kernel of rank 4")
    if call.attributes.get("group", 1) != 1 or call.dilated:
        raise Unsupported("expected no groups and no dilation")
    kernel = kernel.astype(np.float32)
    strides, pads = call.pair("strides", (1, 1)), conv_pads(call, kernel)
    if not any(isinstance(layer, FoundConv) for layer in network.layers):
        if kernel.shape[1] != 3:
            raise Unsupported(f"expected 3 input maps in the first convolution, found {kernel.shape[1]}")
        kernel = kernel[:, np.argsort(tensor.channels)]
    if tensor.sideways:
        kernel, strides, pads = kernel.swapaxes(2, 3), strides[::-1], upright(pads)
    kernel = np.ascontiguousarray(kernel)
    network.add(FoundConv(call.name, kernel, vector(bias), tensor.padded(pads), strides))
    return replace(tensor, pads=NO_PADS)


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
    if call.dilated:
        raise Unsupported("expected no dilation")
    if call.same == "SAME_LOWER":
        raise Unsupported("expected auto_pad NOTSET, VALID or SAME_UPPER, found SAME_LOWER")
    mode = "same" if call.same else "ceil" if call.attributes.get("ceil_mode") else "floor"
    if tensor.sideways:
        kernel, strides, pads = kernel[::-1], strides[::-1], upright(pads)
    network.add(FoundPool(call.name, kernel, strides, tensor.padded(pads), mode))
    return replace(tensor, pads=NO_PADS)


def prelu(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    slopes = call.constant(1)
    if slopes is None:
        raise Unsupported("expected constant slopes")
    network.add(FoundActivation(call.name, "PRelu", slopes.astype(np.float32).ravel()))
    return tensor


def activation(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    """LeakyRelu, Relu, Sigmoid."""
    slope = call.attributes.get("alpha", 0.01) if call.operator == "LeakyRelu" else 0
    network.add(FoundActivation(call.name, call.operator, np.array([slope], np.float32)))
    return tensor


def softmax(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    """Left out; it is no mistake at the end."""
    network.softmax = (*network.softmax, call.name)
    return tensor


def gemm(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    weights, bias = call.constant(1), call.constant(2)
    if weights is None or call.attributes.get("transA"):
        raise Unsupported("expected constant weights and transA = 0")
    weights = weights.T if call.attributes.get("transB") else weights
    weights = weights.astype(np.float32) * np.float32(call.attributes.get("alpha", 1.0))
    bias = None if bias is None else bias * np.float32(call.attributes.get("beta", 1.0))
    return dense(call, tensor, network, weights, vector(bias))


def mat_mul(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    weights = call.constant(1)
    if weights is None or weights.ndim != 2:
        raise Unsupported("expected constant weights of rank 2, on the right")
    return dense(call, tensor, network, weights.astype(np.float32), None)


def dense(
    call: Call, tensor: Tensor, network: Builder, weights: FloatArray, bias: FloatArray | None
) -> Tensor:
    """A dense layer on a vector; on maps with channels last it is a 1x1 convolution."""
    if tensor.flat:
        order = tensor.axes[1:]
        network.add(FoundDense(call.name, weights, bias, order if len(order) == 3 else None))
        return replace(tensor, axes="nc")
    if tensor.axes[-1] != "c":
        raise Unsupported(f"expected a vector, or maps with channels last, found axes {tensor.axes}")
    network.add(FoundConv(call.name, weights.T[:, :, None, None], bias))
    return tensor


def arithmetic(call: Call, tensor: Tensor, network: Builder) -> Tensor:
    """Add, Sub, Mul, Div with a constant: before the first layer normalisation, after it a layer's bias."""
    value, first = call.other(tensor.name)
    number = value.astype(np.float32).ravel()
    if network.layers:
        if call.operator != "Add" or not network.add_bias(number):
            raise Unsupported("expected arithmetic only before the first layer, or an Add as a layer's bias")
        return tensor
    if number.size not in (1, 3) or (first and call.operator == "Div"):
        raise Unsupported(f"expected a constant for all maps or for each of 3, found shape {value.shape}")
    if number.size == 3:
        number = number[np.argsort(tensor.channels)]
    one, none = np.ones(1, np.float32), np.zeros(1, np.float32)
    if call.operator == "Sub":
        network.normalise(*((-one, number) if first else (one, -number)))
    elif call.operator == "Add":
        network.normalise(one, number)
    else:
        network.normalise(number if call.operator == "Mul" else one / number, none)
    return tensor


def vector(value: np.ndarray | None) -> FloatArray | None:
    return None if value is None else value.astype(np.float32).ravel()
