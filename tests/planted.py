"""Mistakes to plant into a network, as people porting it make them; and the network as an ONNX graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from mtcnn_cpp.formats import flat
from mtcnn_cpp.formats.dat import from_network
from mtcnn_cpp.formats.found import (
    FoundActivation,
    FoundConv,
    FoundDense,
    FoundLayer,
    FoundNetwork,
    FoundPool,
)
from mtcnn_cpp.formats.recognise import official
from mtcnn_cpp.reference.plan import STAGES

MAPS = {"rnet": (64, 3, 3), "onet": (128, 3, 3)}  # what the first dense layer lays flat


@dataclass(frozen=True)
class Mistake:
    """`plant` changes a network; `expected`: what the doctor must then name, (layer, kind) for each stage."""

    name: str
    plant: Callable[[FoundNetwork, str], FoundNetwork]
    expected: Callable[[str], set[tuple[str, str]]]
    stages: tuple[str, ...] = ("pnet", "rnet", "onet")


def correct(stage: str) -> FoundNetwork:
    """OpenFace's network as in a correct graph: dense inputs (channel, y, x), pooling rounded up."""
    found = from_network(official(stage), stage)
    layers: list[FoundLayer] = []
    for layer in found.layers:
        if isinstance(layer, FoundPool):
            layer = replace(layer, mode="ceil")
        elif isinstance(layer, FoundDense) and layer.name == "fc1" and stage in MAPS:
            weights = flat.reorder(layer.weights, MAPS[stage], flat.OPENFACE, flat.NCHW)
            layer = replace(layer, weights=weights, order=flat.NCHW)
        elif isinstance(layer, FoundDense) and stage == "pnet":  # a 1x1 convolution
            layer = FoundConv(layer.name, layer.weights.T[:, :, None, None], layer.bias)
        layers.append(layer)
    return replace(found, layers=tuple(layers))


def change(network: FoundNetwork, name: str, edit: Callable[[Any], FoundLayer]) -> FoundNetwork:
    assert name in [layer.name for layer in network.layers]
    return replace(
        network, layers=tuple(edit(layer) if layer.name == name else layer for layer in network.layers)
    )


def on(layer: str, edit: Callable[[Any], FoundLayer]) -> Callable[[FoundNetwork, str], FoundNetwork]:
    return lambda network, stage: change(network, layer, edit)


def kernel(edit: Callable[[np.ndarray], np.ndarray]) -> Callable[[FoundConv], FoundConv]:
    return lambda conv: replace(conv, kernel=np.ascontiguousarray(edit(conv.kernel), np.float32))


def head(network: FoundNetwork, order: list[int]) -> FoundNetwork:
    """The last layer with its outputs in another order."""

    def edit(layer: FoundConv | FoundDense) -> FoundConv | FoundDense:
        assert layer.bias is not None
        if isinstance(layer, FoundConv):
            return replace(layer, kernel=layer.kernel[order], bias=layer.bias[order])
        return replace(layer, weights=layer.weights[:, order], bias=layer.bias[order])

    return change(network, last(network), edit)


def last(network: FoundNetwork) -> str:
    return network.layers[-1].name


def swap_classes(network: FoundNetwork, stage: str) -> FoundNetwork:
    return head(network, [1, 0, *range(2, STAGES[stage].outputs)])


def box_first(network: FoundNetwork, stage: str) -> FoundNetwork:
    return head(network, [2, 3, 4, 5, 0, 1, *range(6, STAGES[stage].outputs)])


def permute_outputs(network: FoundNetwork, stage: str, *, tell_next: bool) -> FoundNetwork:
    """conv1's outputs in another order, with its bias and slopes; conv2 may be told."""
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
    return change(network, "conv2", kernel(lambda k: k[:, order])) if tell_next else network


def reread_dense(network: FoundNetwork, stage: str, order: str) -> FoundNetwork:
    """Weights for an input in `order`, in a graph that lays it flat (channel, y, x)."""
    return change(
        network,
        "fc1",
        lambda fc: replace(fc, weights=flat.reorder(fc.weights, MAPS[stage], flat.NCHW, order)),
    )


def fold_factor(network: FoundNetwork, stage: str) -> FoundNetwork:
    """conv1 made for pixels / 255: x = 255 / 128 u - 127.5 / 128."""

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


def at(layer: str, kind: str) -> Callable[[str], set[tuple[str, str]]]:
    return lambda stage: {(layer, kind)}


def at_head(kind: str) -> Callable[[str], set[tuple[str, str]]]:
    return lambda stage: {("fc1" if stage == "pnet" else "fc2", kind)}


DENSE = ("rnet", "onet")
MISTAKES = [  # in the order in which they happen: a network is trained first, and rounded last
    Mistake("retrained", on("conv3", kernel(retrain)), at("conv3", "values")),
    Mistake("transposed", on("conv2", kernel(lambda k: k.swapaxes(2, 3))), at("conv2", "kernel-turned")),
    Mistake("flipped x", on("conv1", kernel(lambda k: k[..., ::-1])), at("conv1", "kernel-turned")),
    Mistake("flipped both", on("conv3", kernel(lambda k: k[..., ::-1, ::-1])), at("conv3", "kernel-turned")),
    Mistake("BGR", on("conv1", kernel(lambda k: k[:, ::-1])), at("conv1", "input-channels")),
    Mistake("inputs reversed", on("conv3", kernel(lambda k: k[:, ::-1])), at("conv3", "input-channels")),
    Mistake(
        "outputs permuted",
        lambda network, stage: permute_outputs(network, stage, tell_next=False),
        lambda stage: {("conv1", "output-channels"), ("conv2", "input-channels")},
    ),
    Mistake(
        "outputs permuted, next layer told",
        lambda network, stage: permute_outputs(network, stage, tell_next=True),
        at("conv1", "output-channels"),
    ),
    Mistake("dense cxy", lambda n, s: reread_dense(n, s, "cxy"), at("fc1", "dense-order"), DENSE),
    Mistake("dense yxc", lambda n, s: reread_dense(n, s, "yxc"), at("fc1", "dense-order"), DENSE),
    Mistake("box before class", box_first, at_head("heads-order")),
    Mistake("classes swapped", swap_classes, at_head("classes-swapped")),
    Mistake("pool floored", on("pool1", lambda p: replace(p, mode="floor")), at("pool1", "pool-size")),
    Mistake("padding", on("conv2", lambda c: replace(c, pads=(1, 1, 1, 1))), at("conv2", "padding")),
    Mistake(
        "LeakyReLU",
        on("prelu1", lambda p: FoundActivation("prelu1", "LeakyRelu", np.array([0.01], np.float32))),
        at("prelu1", "activation"),
    ),
    Mistake(
        "shared slope",
        on("prelu2", lambda p: replace(p, slopes=np.full_like(p.slopes, p.slopes.mean()))),
        at("prelu2", "activation"),
    ),
    Mistake(
        "slopes negated", on("prelu3", lambda p: replace(p, slopes=-p.slopes)), at("prelu3", "activation")
    ),
    Mistake(
        "v / 255 in the graph",
        lambda network, stage: replace(
            network, scale=np.array([1 / 255], np.float32), shift=np.zeros(1, np.float32)
        ),
        at("conv1", "normalisation"),
    ),
    Mistake("v / 255 folded in", fold_factor, at("conv1", "normalisation")),
    Mistake("float16", on("conv3", kernel(lambda k: k.astype(np.float16))), at("conv3", "half")),
    Mistake("int8", on("conv2", kernel(quantise)), at("conv2", "quantised")),
    Mistake("no bias", on("conv1", lambda c: replace(c, bias=None)), at("conv1", "bias")),
]


def to_onnx(network: FoundNetwork, stage: str) -> Any:
    """A found network as the ONNX graph that somebody would have exported; its shapes may not even fit."""
    import onnx
    from onnx import helper, numpy_helper

    nodes: list[Any] = []
    constants: list[Any] = []
    tensor, flattened = "picture", False

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
        name = f"their/{layer.name}"
        if isinstance(layer, FoundConv):
            inputs = [*constant(f"{name}.k", layer.kernel), *constant(f"{name}.b", layer.bias)]
            add("Conv", name, *inputs, pads=list(layer.pads), strides=list(layer.strides))
        elif isinstance(layer, FoundPool):
            pads = {"pads": list(layer.pads)} if any(layer.pads) else {}
            ceil = int(layer.mode == "ceil")
            add("MaxPool", name, kernel_shape=layer.kernel, strides=layer.strides, ceil_mode=ceil, **pads)
        elif isinstance(layer, FoundDense):
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
    entry = helper.make_tensor_value_info("picture", onnx.TensorProto.FLOAT, ["N", 3, *size])
    end = helper.make_tensor_value_info(tensor, onnx.TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, stage, [entry], [end], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
