"""Typical mistakes of ports, to plant in a network, and conversion of the network to an ONNX graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from mtcnn_cpp.formats import conventions
from mtcnn_cpp.formats.found import (
    FoundActivation,
    FoundConv,
    FoundFullyConnected,
    FoundLayer,
    FoundNetwork,
    FoundPool,
    official_network,
)
from mtcnn_cpp.formats.tables import to_found_network
from mtcnn_cpp.reference.plan import STAGES

MAPS = {"rnet": (64, 3, 3), "onet": (128, 3, 3)}  # input of the first fully connected layer


@dataclass(frozen=True)
class Mistake:
    """`plant` changes a network. `expected` returns the (layer, kind) pairs that the doctor must report."""

    name: str
    plant: Callable[[FoundNetwork, str], FoundNetwork]
    expected: Callable[[str], set[tuple[str, str]]]
    stages: tuple[str, ...] = ("pnet", "rnet", "onet")


def correct(stage: str) -> FoundNetwork:
    """Return OpenFace's network as in a correct graph: flattening order (channel, y, x), ceil pooling."""
    found = to_found_network(official_network(stage), stage)
    layers: list[FoundLayer] = []
    for layer in found.layers:
        if isinstance(layer, FoundPool):
            layer = replace(layer, mode="ceil")
        elif isinstance(layer, FoundFullyConnected) and layer.name == "fc1" and stage in MAPS:
            weights = conventions.reorder_inputs(
                layer.weights, MAPS[stage], conventions.OPENFACE_ORDER, conventions.NCHW_ORDER
            )
            layer = replace(layer, weights=weights, order=conventions.NCHW_ORDER)
        elif isinstance(layer, FoundFullyConnected) and stage == "pnet":  # a 1x1 convolution
            layer = FoundConv(layer.name, layer.weights.T[:, :, None, None], layer.bias)
        layers.append(layer)
    return replace(found, layers=tuple(layers))


def change(network: FoundNetwork, name: str, edit: Callable[[Any], FoundLayer]) -> FoundNetwork:
    assert name in [layer.name for layer in network.layers]
    return replace(
        network, layers=tuple(edit(layer) if layer.name == name else layer for layer in network.layers)
    )


def edit_layer(layer: str, edit: Callable[[Any], FoundLayer]) -> Callable[[FoundNetwork, str], FoundNetwork]:
    return lambda network, stage: change(network, layer, edit)


def edit_kernel(edit: Callable[[np.ndarray], np.ndarray]) -> Callable[[FoundConv], FoundConv]:
    return lambda conv: replace(conv, kernel=np.ascontiguousarray(edit(conv.kernel), np.float32))


def reorder_outputs(network: FoundNetwork, order: list[int]) -> FoundNetwork:
    """Reorder the outputs of the last layer."""

    def edit(layer: FoundConv | FoundFullyConnected) -> FoundConv | FoundFullyConnected:
        assert layer.bias is not None
        if isinstance(layer, FoundConv):
            return replace(layer, kernel=layer.kernel[order], bias=layer.bias[order])
        return replace(layer, weights=layer.weights[:, order], bias=layer.bias[order])

    return change(network, last_layer(network), edit)


def last_layer(network: FoundNetwork) -> str:
    return network.layers[-1].name


def swap_classes(network: FoundNetwork, stage: str) -> FoundNetwork:
    return reorder_outputs(network, [1, 0, *range(2, STAGES[stage].outputs)])


def box_first(network: FoundNetwork, stage: str) -> FoundNetwork:
    return reorder_outputs(network, [2, 3, 4, 5, 0, 1, *range(6, STAGES[stage].outputs)])


def permute_outputs(network: FoundNetwork, stage: str, *, adapt_next: bool) -> FoundNetwork:
    """Reorder the outputs of conv1 with its bias and slopes; with `adapt_next` also the inputs of conv2."""
    conv = next(layer for layer in network.layers if layer.name == "conv1")
    assert isinstance(conv, FoundConv)
    order = np.random.default_rng(5).permutation(len(conv.kernel))
    network = change(
        network,
        "conv1",
        lambda c: replace(c, kernel=c.kernel[order], bias=c.bias[order] if c.bias is not None else None),
    )
    network = change(
        network, "prelu1", lambda p: replace(p, slopes=p.slopes[order] if p.slopes.size > 1 else p.slopes)
    )
    return change(network, "conv2", edit_kernel(lambda k: k[:, order])) if adapt_next else network


def change_flattening(network: FoundNetwork, stage: str, order: str) -> FoundNetwork:
    """Reorder the weights for an input in `order`, in a graph with the order (channel, y, x)."""
    return change(
        network,
        "fc1",
        lambda fc: replace(
            fc, weights=conventions.reorder_inputs(fc.weights, MAPS[stage], conventions.NCHW_ORDER, order)
        ),
    )


def fold_factor(network: FoundNetwork, stage: str) -> FoundNetwork:
    """Change conv1 for pixels u = v / 255: x = 255 / 128 u - 127.5 / 128."""

    def edit(conv: FoundConv) -> FoundConv:
        bias = (
            None if conv.bias is None else conv.bias + np.float32(-127.5 / 128) * conv.kernel.sum((1, 2, 3))
        )
        return replace(conv, kernel=conv.kernel * np.float32(255 / 128), bias=bias)

    return change(network, "conv1", edit)


def quantise(values: np.ndarray) -> np.ndarray:
    step = np.float32(np.abs(values).max() / 127)
    return np.round(values / step) * step


def retrain(values: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, values.std() * 0.15, values.shape)
    return (values + noise).astype(np.float32)


def finds(layer: str, kind: str) -> Callable[[str], set[tuple[str, str]]]:
    return lambda stage: {(layer, kind)}


def finds_in_last_layer(kind: str) -> Callable[[str], set[tuple[str, str]]]:
    return lambda stage: {("fc1" if stage == "pnet" else "fc2", kind)}


FULLY_CONNECTED = ("rnet", "onet")
MISTAKES = [  # in their usual order: a network is trained first and rounded last
    Mistake("retrained", edit_layer("conv3", edit_kernel(retrain)), finds("conv3", "values")),
    Mistake(
        "transposed",
        edit_layer("conv2", edit_kernel(lambda k: k.swapaxes(2, 3))),
        finds("conv2", "kernel-turned"),
    ),
    Mistake(
        "flipped x", edit_layer("conv1", edit_kernel(lambda k: k[..., ::-1])), finds("conv1", "kernel-turned")
    ),
    Mistake(
        "flipped both",
        edit_layer("conv3", edit_kernel(lambda k: k[..., ::-1, ::-1])),
        finds("conv3", "kernel-turned"),
    ),
    Mistake("BGR", edit_layer("conv1", edit_kernel(lambda k: k[:, ::-1])), finds("conv1", "input-channels")),
    Mistake(
        "inputs reversed",
        edit_layer("conv3", edit_kernel(lambda k: k[:, ::-1])),
        finds("conv3", "input-channels"),
    ),
    Mistake(
        "outputs permuted",
        lambda network, stage: permute_outputs(network, stage, adapt_next=False),
        lambda stage: {("conv1", "output-channels"), ("conv2", "input-channels")},
    ),
    Mistake(
        "outputs permuted, next layer adapted",
        lambda network, stage: permute_outputs(network, stage, adapt_next=True),
        finds("conv1", "output-channels"),
    ),
    Mistake(
        "dense cxy", lambda n, s: change_flattening(n, s, "cxy"), finds("fc1", "dense-order"), FULLY_CONNECTED
    ),
    Mistake(
        "dense yxc", lambda n, s: change_flattening(n, s, "yxc"), finds("fc1", "dense-order"), FULLY_CONNECTED
    ),
    Mistake("box before class", box_first, finds_in_last_layer("heads-order")),
    Mistake("classes swapped", swap_classes, finds_in_last_layer("classes-swapped")),
    Mistake(
        "pool floored", edit_layer("pool1", lambda p: replace(p, mode="floor")), finds("pool1", "pool-size")
    ),
    Mistake(
        "padding", edit_layer("conv2", lambda c: replace(c, pads=(1, 1, 1, 1))), finds("conv2", "padding")
    ),
    Mistake(
        "LeakyReLU",
        edit_layer("prelu1", lambda p: FoundActivation("prelu1", "LeakyRelu", np.array([0.01], np.float32))),
        finds("prelu1", "activation"),
    ),
    Mistake(
        "shared slope",
        edit_layer("prelu2", lambda p: replace(p, slopes=np.full_like(p.slopes, p.slopes.mean()))),
        finds("prelu2", "activation"),
    ),
    Mistake(
        "slopes negated",
        edit_layer("prelu3", lambda p: replace(p, slopes=-p.slopes)),
        finds("prelu3", "activation"),
    ),
    Mistake(
        "v / 255 in the graph",
        lambda network, stage: replace(
            network, scale=np.array([1 / 255], np.float32), shift=np.zeros(1, np.float32)
        ),
        finds("conv1", "normalisation"),
    ),
    Mistake("v / 255 folded in", fold_factor, finds("conv1", "normalisation")),
    Mistake(
        "float16", edit_layer("conv3", edit_kernel(lambda k: k.astype(np.float16))), finds("conv3", "half")
    ),
    Mistake("int8", edit_layer("conv2", edit_kernel(quantise)), finds("conv2", "quantised")),
    Mistake("no bias", edit_layer("conv1", lambda c: replace(c, bias=None)), finds("conv1", "bias")),
]


def to_onnx(network: FoundNetwork, stage: str) -> Any:
    """Convert a network to an ONNX graph. Its shapes may be invalid."""
    import onnx
    from onnx import helper, numpy_helper

    nodes: list[Any] = []
    constants: list[Any] = []
    tensor, flattened = "input", False

    def constant(name: str, values: np.ndarray | None) -> list[str]:
        if values is None:
            return []
        constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return [name]

    def add(operator: str, name: str, *extra: str, **attributes: Any) -> None:
        nonlocal tensor
        nodes.append(helper.make_node(operator, [tensor, *extra], [name], name, **attributes))
        tensor = name

    if network.scale is not None and network.shift is not None:
        add("Mul", "scaled", *constant("scale", network.scale))
        add("Add", "shifted", *constant("shift", network.shift))
    for layer in network.layers:
        name = f"port/{layer.name}"
        if isinstance(layer, FoundConv):
            inputs = [*constant(f"{name}.k", layer.kernel), *constant(f"{name}.b", layer.bias)]
            add("Conv", name, *inputs, pads=list(layer.pads), strides=list(layer.strides))
        elif isinstance(layer, FoundPool):
            pads = {"pads": list(layer.pads)} if any(layer.pads) else {}
            ceil = int(layer.mode == "ceil")
            add("MaxPool", name, kernel_shape=layer.kernel, strides=layer.strides, ceil_mode=ceil, **pads)
        elif isinstance(layer, FoundFullyConnected):
            if not flattened:
                add("Flatten", f"{name}.flat")
                flattened = True
            add("Gemm", name, *constant(f"{name}.w", layer.weights), *constant(f"{name}.b", layer.bias))
        elif layer.kind == "PRelu":
            slopes = layer.slopes if flattened else layer.slopes[:, None, None]
            add("PRelu", name, *constant(f"{name}.s", slopes))
        elif layer.kind == "LeakyRelu":
            add("LeakyRelu", name, alpha=float(layer.slopes[0]))
        else:
            add(layer.kind, name)
    size = STAGES[stage].size or ("H", "W")
    entry = helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, ["N", 3, *size])
    end = helper.make_tensor_value_info(tensor, onnx.TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, stage, [entry], [end], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
