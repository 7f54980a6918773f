"""OpenFace's networks as graphs in the styles of several tools, to which mutations are applied."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
from mtcnn_cpp import Model
from mtcnn_cpp.formats.onnx.export import onnx_model
from mtcnn_cpp.reference.plan import STAGES
from onnx import TensorProto, helper, numpy_helper, shape_inference


def plain(stage: str) -> Any:
    return onnx_model(getattr(Model.default(), stage), STAGES[stage].side, stage)


def every_layer(stage: str) -> Any:
    return onnx_model(getattr(Model.default(), stage), STAGES[stage].side, stage, all_layers=True)


def add_constant(model: Any, name: str, values: Any) -> str:
    model.graph.initializer.append(numpy_helper.from_array(np.array(values, order="C"), name))
    return name


def array(model: Any, name: str) -> np.ndarray:
    return numpy_helper.to_array(next(one for one in model.graph.initializer if one.name == name))


def rewritten(model: Any, operator: str, write: Callable[[Any], list[tuple[str, list[str], str]]]) -> Any:
    """Replace each node of an operator by several nodes: operator, inputs, output."""
    nodes = []
    for node in model.graph.node:
        if node.op_type != operator:
            nodes.append(node)
            continue
        nodes += [helper.make_node(kind, inputs, [output], output) for kind, inputs, output in write(node)]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def prelu_of_relus(stage: str) -> Any:
    """Write a PReLU as relu(v) - slope * relu(-v)."""

    def write(node: Any) -> list[tuple[str, list[str], str]]:
        (v, slopes), (out,) = node.input, node.output
        return [
            ("Relu", [v], f"{out}.plus"),
            ("Neg", [v], f"{out}.turned"),
            ("Relu", [f"{out}.turned"], f"{out}.minus"),
            ("Mul", [slopes, f"{out}.minus"], f"{out}.part"),
            ("Sub", [f"{out}.plus", f"{out}.part"], out),
        ]

    return rewritten(plain(stage), "PRelu", write)


def prelu_of_abs(stage: str) -> Any:
    """Write a PReLU as relu(v) + slope * (v - |v|) / 2."""
    model = plain(stage)
    half = add_constant(model, "half", np.float32(0.5))

    def write(node: Any) -> list[tuple[str, list[str], str]]:
        (v, slopes), (out,) = node.input, node.output
        return [
            ("Abs", [v], f"{out}.abs"),
            ("Sub", [v, f"{out}.abs"], f"{out}.low"),
            ("Mul", [f"{out}.low", half], f"{out}.half"),
            ("Mul", [f"{out}.half", slopes], f"{out}.part"),
            ("Relu", [v], f"{out}.plus"),
            ("Add", [f"{out}.plus", f"{out}.part"], out),
        ]

    return rewritten(model, "PRelu", write)


def by_shape(stage: str) -> Any:
    """Flatten as PyTorch exports x.view(x.shape[0], -1)."""
    model = plain(stage)
    zero, rest = add_constant(model, "zero", np.int64(0)), add_constant(model, "rest", np.array([-1]))
    axes = add_constant(model, "axes", np.array([0]))

    def write(node: Any) -> list[tuple[str, list[str], str]]:
        (x,), (out,) = node.input, node.output
        return [
            ("Shape", [x], "shape"),
            ("Gather", ["shape", zero], "count"),
            ("Unsqueeze", ["count", axes], "counts"),
            ("Concat", ["counts", rest], "target"),
            ("Reshape", [x, "target"], out),
        ]

    model = rewritten(model, "Flatten", write)
    for node in model.graph.node:
        if node.op_type == "Concat":
            node.attribute.append(helper.make_attribute("axis", 0))
    return model


def fixed(stage: str) -> Any:
    """Fix the batch to one image of one size."""
    model = plain(stage)
    dims = model.graph.input[0].type.tensor_type.shape.dim
    for dim, size in zip(dims, (1, 3, *(STAGES[stage].size or (40, 30))), strict=True):
        dim.dim_value = size
    return model


def before_input(model: Any, nodes: list[Any], first: Any) -> Any:
    """Add nodes that compute `input` from a new input of the graph."""
    model.graph.input[0].CopyFrom(first)
    for at, node in enumerate(nodes):
        model.graph.node.insert(at, node)
    return model


def raw_pixels(stage: str) -> Any:
    """Normalise pixels 0 … 255 of float32 in the graph."""
    model = plain(stage)
    first = copy.deepcopy(model.graph.input[0])
    first.name = "pixels"
    middle, step = (
        add_constant(model, "middle", np.float32(127.5)),
        add_constant(model, "step", np.float32(128)),
    )
    nodes = [
        helper.make_node("Sub", ["pixels", middle], ["centred"], "centred"),
        helper.make_node("Div", ["centred", step], ["input"], "scaled"),
    ]
    return before_input(model, nodes, first)


def bytes_channels_last(stage: str) -> Any:
    """Normalise pixels of uint8, (N, H, W, 3), in the graph."""
    model = plain(stage)
    size = STAGES[stage].size or ("h", "w")
    first = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["N", *size, 3])
    middle, step = (
        add_constant(model, "middle", np.float32(127.5)),
        add_constant(model, "step", np.float32(1 / 128)),
    )
    nodes = [
        helper.make_node("Cast", ["pixels"], ["numbers"], "numbers", to=TensorProto.FLOAT),
        helper.make_node("Sub", ["numbers", middle], ["centred"], "centred"),
        helper.make_node("Mul", ["centred", step], ["scaled"], "scaled"),
        helper.make_node("Transpose", ["scaled"], ["input"], "turned", perm=[0, 3, 1, 2]),
    ]
    return before_input(model, nodes, first)


def heads(stage: str, *, join: bool = False) -> Any:
    """Write one layer for each head with a Softmax of the classes, or a Concat without the Softmax."""
    model = plain(stage)
    last = model.graph.node[-1]
    x, weights, bias = last.input
    numbers, biases = array(model, weights), array(model, bias)  # one row per output, in Conv and Gemm
    names = []
    del model.graph.node[-1]
    cuts = {"class": slice(0, 2), "box": slice(2, 6), "landmarks": slice(6, 16)}
    for name, cut in cuts.items():
        if not len(biases[cut]):
            continue
        inputs = [
            x,
            add_constant(model, f"{name}.w", numbers[cut]),
            add_constant(model, f"{name}.b", biases[cut]),
        ]
        node = helper.make_node(last.op_type, inputs, [name], name)
        node.attribute.extend(last.attribute)
        model.graph.node.append(node)
        names.append(name)
    if join:
        model.graph.node.append(helper.make_node("Concat", names, ["joined"], "joined", axis=1))
        names = ["joined"]
    else:
        model.graph.node.append(helper.make_node("Softmax", ["class"], ["scores"], "scores", axis=1))
        names[0] = "scores"
    del model.graph.output[:]
    for name in names:
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    return model


def joined_heads(stage: str) -> Any:
    return heads(stage, join=True)


STYLES: tuple[Callable[[str], Any], ...] = (
    plain,
    every_layer,
    prelu_of_relus,
    prelu_of_abs,
    by_shape,
    fixed,
    raw_pixels,
    bytes_channels_last,
    heads,
    joined_heads,
)


def inferred(model: Any) -> Any:
    """Add the shapes that ONNX can infer."""
    return shape_inference.infer_shapes(model, data_prop=True)
