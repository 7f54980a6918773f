"""What each ONNX operator adds to a found network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...types import FloatArray
from ..found import NO_PADS, FoundActivation, FoundConv, FoundDense, FoundPool
from ..recognise import outputs
from .state import State, Unsupported

if TYPE_CHECKING:
    from .graph import Call


def conv(call: Call, state: State) -> None:
    kernel, bias = call.constant(1), call.constant(2)
    if kernel is None or kernel.ndim != 4:
        raise Unsupported("expected a kernel of rank 4")
    if call.attributes.get("group", 1) != 1 or set(call.attributes.get("dilations", [1])) != {1}:
        raise Unsupported("expected no groups and no dilation")
    kernel = kernel.astype(np.float32)
    strides = pair(call.attributes.get("strides", [1, 1]))
    if same(call):
        begin = [(k - 1) // 2 if same(call) == "SAME_UPPER" else k // 2 for k in kernel.shape[2:]]
        own = (*begin, *(k - 1 - b for k, b in zip(kernel.shape[2:], begin, strict=True)))
    else:
        own = tuple(call.attributes.get("pads", NO_PADS))
    if not any(isinstance(layer, FoundConv) for layer in state.layers):
        if kernel.shape[1] != 3:
            raise Unsupported(f"expected 3 input maps in the first convolution, found {kernel.shape[1]}")
        kernel = kernel[:, np.argsort(state.channels)]
    if state.sideways:
        kernel, strides = kernel.swapaxes(2, 3), (strides[1], strides[0])
    pads = state.take_pads(own)
    state.layers.append(FoundConv(call.name, np.ascontiguousarray(kernel), vector(bias), pads, strides))


def max_pool(call: Call, state: State) -> None:
    kernel = pair(call.attributes["kernel_shape"])
    strides = pair(call.attributes.get("strides", [1, 1]))
    if set(call.attributes.get("dilations", [1])) != {1}:
        raise Unsupported("expected no dilation")
    mode = "ceil" if call.attributes.get("ceil_mode") else "floor"
    if same(call):
        if same(call) == "SAME_LOWER":
            raise Unsupported("expected auto_pad NOTSET, VALID or SAME_UPPER, found SAME_LOWER")
        mode = "same"
    if state.sideways:
        kernel, strides = (kernel[1], kernel[0]), (strides[1], strides[0])
    pads = state.take_pads(tuple(call.attributes.get("pads", NO_PADS)))
    state.layers.append(FoundPool(call.name, kernel, strides, pads, mode))


def prelu(call: Call, state: State) -> None:
    slopes = call.constant(1)
    if slopes is None:
        raise Unsupported("expected constant slopes")
    state.layers.append(FoundActivation(call.name, "PRelu", slopes.astype(np.float32).ravel()))


def leaky_relu(call: Call, state: State) -> None:
    slope = np.array([call.attributes.get("alpha", 0.01)], np.float32)
    state.layers.append(FoundActivation(call.name, "LeakyRelu", slope))


def relu(call: Call, state: State) -> None:
    state.layers.append(FoundActivation(call.name, "Relu", np.zeros(1, np.float32)))


def sigmoid(call: Call, state: State) -> None:
    state.layers.append(FoundActivation(call.name, "Sigmoid", np.zeros(1, np.float32)))


def softmax(call: Call, state: State) -> None:
    state.notes.append(f"{call.name} (Softmax) at the end: probabilities, where OpenFace has logits")


def gemm(call: Call, state: State) -> None:
    weights, bias = call.constant(1), call.constant(2)
    if weights is None or call.attributes.get("transA"):
        raise Unsupported("expected constant weights and transA = 0")
    weights = weights.T if call.attributes.get("transB") else weights
    weights = weights.astype(np.float32) * np.float32(call.attributes.get("alpha", 1.0))
    bias = None if bias is None else vector(bias * np.float32(call.attributes.get("beta", 1.0)))
    dense(call, state, weights, bias)


def mat_mul(call: Call, state: State) -> None:
    weights = call.constant(1)
    if weights is None or weights.ndim != 2:
        raise Unsupported("expected constant weights of rank 2, on the right")
    dense(call, state, weights.astype(np.float32), None)


def dense(call: Call, state: State, weights: FloatArray, bias: FloatArray | None) -> None:
    if not state.flat:
        if state.axes[-1] != "c":
            raise Unsupported(f"expected a vector, or maps with channels last, found axes {state.axes}")
        state.layers.append(FoundConv(call.name, weights.T[:, :, None, None], bias))
        return
    order = state.axes[1:]
    state.layers.append(FoundDense(call.name, weights, bias, order if len(order) == 3 else None))
    state.axes = "nc"  # from here on a vector of channels


def flatten(call: Call, state: State) -> None:
    if call.attributes.get("axis", 1) != 1:
        raise Unsupported("expected axis 1")
    state.flat = True


def reshape(call: Call, state: State) -> None:
    """Only to lay maps flat, (N, -1): a target of two sizes, or one that is computed from the batch's
    size."""
    target = call.graph.constants.get(call.node.input[1]) if len(call.node.input) > 1 else None
    if target is not None and target.size != 2 and not state.flat:
        heads_only = state.shared is not None and len(state.layers) > state.shared
        if not heads_only:
            raise Unsupported(f"expected a shape (N, values), found {target.tolist()}")
    state.flat = True


def squeeze(call: Call, state: State) -> None:
    state.flat = True


def transpose(call: Call, state: State) -> None:
    permutation = call.attributes.get("perm", range(len(state.axes))[::-1])
    if state.flat or len(permutation) != len(state.axes):
        raise Unsupported("expected maps, found a vector")
    state.axes = "".join(state.axes[index] for index in permutation)


def pad(call: Call, state: State) -> None:
    pads = call.constant(1) if len(call.node.input) > 1 else np.array(call.attributes["pads"])
    if pads is None or pads.size != 8 or pads.reshape(2, 4)[:, [state.axes.index(a) for a in "nc"]].any():
        raise Unsupported("expected padding of y and x only")
    spread = {axis: pads.reshape(2, 4)[:, index].tolist() for index, axis in enumerate(state.axes)}
    ours = "xy" if state.axes == "ncxy" else "yx"
    added = (spread[ours[0]][0], spread[ours[1]][0], spread[ours[0]][1], spread[ours[1]][1])
    state.pads = tuple(a + b for a, b in zip(state.pads, added, strict=True))


def arithmetic(call: Call, state: State) -> None:
    """Before the first layer: normalisation. After a layer without bias: its bias."""
    value, first = call.other(state.tensor)
    operator = call.node.op_type
    if state.layers:
        last = state.layers[-1]
        waits = isinstance(last, (FoundConv, FoundDense)) and last.bias is None
        if operator != "Add" or not waits or outputs(last) != value.size:  # type: ignore[arg-type]
            raise Unsupported("expected arithmetic only before the first layer, or an Add as a layer's bias")
        state.layers[-1] = replace(last, bias=vector(value))  # type: ignore[arg-type]
        return
    if value.size not in (1, 3) or (first and operator == "Div"):
        raise Unsupported(f"expected a constant for all maps or for each of 3, found shape {value.shape}")
    number = value.astype(np.float32).ravel()
    if number.size == 3:
        number = number[np.argsort(state.channels)]
    one, none = np.ones(1, np.float32), np.zeros(1, np.float32)
    scale = one if state.scale is None else state.scale
    shift = none if state.shift is None else state.shift
    if operator in ("Mul", "Div"):
        factor = number if operator == "Mul" else one / number
        scale, shift = scale * factor, shift * factor
    elif operator == "Add":
        shift = shift + number
    else:
        scale, shift = (-scale, number - shift) if first else (scale, shift - number)
    state.scale, state.shift = scale, shift


def gather(call: Call, state: State) -> None:
    indices, axis = call.constant(1), call.attributes.get("axis", 0)
    if indices is None or state.layers or state.flat or state.axes[axis] != "c":
        raise Unsupported("expected it to reorder the picture's channels")
    state.channels = tuple(state.channels[int(index)] for index in indices.ravel())


def slice_channels(call: Call, state: State) -> None:
    arguments = [call.constant(index) for index in range(1, 5)]
    _, _, axes, steps = (np.array([0]) if a is None else a for a in arguments)
    if (
        state.layers
        or state.flat
        or axes.size != 1
        or state.axes[int(axes[0])] != "c"
        or steps.tolist() != [-1]
    ):
        raise Unsupported("expected it to reverse the picture's channels")
    state.channels = state.channels[::-1]


def unchanged(call: Call, state: State) -> None:
    if call.node.op_type in ("QuantizeLinear", "DequantizeLinear"):
        step = call.constant(1)
        told = "" if step is None else f", step {float(step.flat[0]):.6g}"
        state.notes.append(f"{call.name}: what enters is quantised{told}")


OPERATORS: dict[str, Callable[[Call, State], None]] = {
    "Conv": conv,
    "MaxPool": max_pool,
    "PRelu": prelu,
    "LeakyRelu": leaky_relu,
    "Relu": relu,
    "Sigmoid": sigmoid,
    "Softmax": softmax,
    "LogSoftmax": softmax,
    "Gemm": gemm,
    "MatMul": mat_mul,
    "Flatten": flatten,
    "Reshape": reshape,
    "Squeeze": squeeze,
    "Transpose": transpose,
    "Pad": pad,
    "Add": arithmetic,
    "Sub": arithmetic,
    "Mul": arithmetic,
    "Div": arithmetic,
    "Gather": gather,
    "Slice": slice_channels,
    "Identity": unchanged,
    "Dropout": unchanged,
    "Cast": unchanged,
    "QuantizeLinear": unchanged,
    "DequantizeLinear": unchanged,
}


def same(call: Call) -> str:
    """auto_pad SAME_UPPER or SAME_LOWER, or empty."""
    value = call.attributes.get("auto_pad", b"").decode()
    return value if value.startswith("SAME") else ""


def vector(value: np.ndarray | None) -> FloatArray | None:
    return None if value is None else value.astype(np.float32).ravel()


def pair(values: Any) -> tuple[int, int]:
    if len(values) != 2:
        raise Unsupported(f"expected two sizes (y, x), found {list(values)}")
    return int(values[0]), int(values[1])
