"""Change the fields of an ONNX graph. The result is a valid protobuf message."""

from __future__ import annotations

import random
from typing import Any

OPERATORS = [
    "Conv",
    "Gemm",
    "Loop",
    "If",
    "Constant",
    "Reshape",
    "Softmax",
    "PRelu",
    "Transpose",
    "Range",
    "Tile",
]
NUMBERS = [-(1 << 63), -1, 0, 1, 2, 3, 7, 1 << 20, 1 << 31, 1 << 40, (1 << 63) - 1]


def changed_graph(data: bytes, rng: random.Random) -> bytes:
    import onnx

    model = onnx.load_model_from_string(data)
    for _ in range(rng.choice([1, 1, 2, 3])):
        change(model.graph, rng)
    return bytes(model.SerializeToString())


def change(graph: Any, rng: random.Random) -> None:
    if not graph.node:
        return
    node, other = rng.choice(graph.node), rng.choice(graph.node)
    names = [name for one in graph.node for name in [*one.input, *one.output]] or [""]
    match rng.randrange(10):
        case 0:
            node.op_type = rng.choice([*OPERATORS, other.op_type, "", "\x1b[31m"])
        case 1 if node.input:
            node.input[rng.randrange(len(node.input))] = rng.choice([*names, "", "missing"])
        case 2 if node.output:
            node.output[rng.randrange(len(node.output))] = rng.choice([*names, ""])
        case 3:
            graph.node.remove(node)
        case 4:
            graph.node.insert(rng.randrange(len(graph.node) + 1), other)
        case 5 if node.attribute:
            change_attribute(rng.choice(node.attribute), rng)
        case 6 if node.attribute:
            del node.attribute[rng.randrange(len(node.attribute))]
        case 7 | 8 if graph.initializer:
            change_tensor(rng.choice(graph.initializer), rng)
        case 9:
            shape = rng.choice([*graph.input, *graph.output]).type.tensor_type.shape
            if shape.dim:
                rng.choice(shape.dim).dim_value = rng.choice(NUMBERS)


def change_attribute(attribute: Any, rng: random.Random) -> None:
    match rng.randrange(4):
        case 0 if attribute.ints:
            attribute.ints[rng.randrange(len(attribute.ints))] = rng.choice(NUMBERS)
        case 1:
            attribute.ints.append(rng.choice(NUMBERS))
        case 2:
            attribute.i = rng.choice(NUMBERS)
        case 3:
            attribute.type = rng.randrange(15)


def change_tensor(tensor: Any, rng: random.Random) -> None:
    match rng.randrange(6):
        case 0 if tensor.dims:
            tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(NUMBERS)
        case 1:
            tensor.dims.append(rng.choice(NUMBERS))
        case 2:
            tensor.data_type = rng.randrange(25)
        case 3:
            tensor.raw_data = tensor.raw_data[: rng.randrange(len(tensor.raw_data) + 1)]
        case 4:
            tensor.float_data.append(1.5)
        case 5:
            tensor.data_location = 1
            entry = tensor.external_data.add()
            entry.key, entry.value = "location", rng.choice(["", "..", "/etc/passwd", "a\0b", "none", "."])
