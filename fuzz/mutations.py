"""Mutations of correct graphs: operators, attributes, numbers, outputs.

Most mutations change the outputs of a graph: for every input, for one value, for one batch or for one size.
Some change nothing. `verdicts` runs the graphs to distinguish them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from onnx import TensorProto, helper, numpy_helper

Random: TypeAlias = np.random.Generator
FLOAT, HALF, DOUBLE = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE


class Edit:
    """A copy of a graph that is changed at the tensor `x`.

    `add` adds a node, and `close` replaces `x` by a tensor. `shape` is the shape of x; a size that is not
    fixed is a string or 0. `values` are values of x for uniform images.
    """

    def __init__(
        self, model: Any, shapes: dict[str, list[Any]], values: dict[str, np.ndarray], random: Random
    ):
        self.model, self.random = copy.deepcopy(model), random
        graph = self.model.graph
        self.number = sum(node.name.startswith("mutation") for node in graph.node)
        places = [
            (node, place)
            for node in graph.node
            for place, name in enumerate(node.input)
            if len(shapes.get(name, ())) in (2, 4)
        ]
        ends = [value.name for value in graph.output if len(shapes.get(value.name, ())) in (2, 4)]
        choice = int(random.integers(len(places) + 2 * len(ends)))
        self.nodes: list[Any] = []
        self.target: tuple[Any, int] | None = places[choice] if choice < len(places) else None
        if self.target is not None:
            self.x = self.target[0].input[self.target[1]]
            self.shape = shapes[self.x]
        else:
            self.end = ends[int(random.integers(len(ends)))]
            self.shape = shapes[self.end]
            self.x = f"{self.end}/inner{self.number}"
            for node in graph.node:
                node.input[:] = [self.x if name == self.end else name for name in node.input]
                node.output[:] = [self.x if name == self.end else name for name in node.output]
        self.values = values.get(self.x, values.get(getattr(self, "end", ""), np.zeros(1, np.float32)))
        self.rank = len(self.shape)
        self.channel = 3 if self.rank == 4 and self.shape[3] == 3 and self.shape[1] != 3 else 1
        self.channels = self.shape[self.channel]

    def constant(self, values: Any) -> str:
        name = f"mutation.constant{len(self.model.graph.initializer)}"
        self.model.graph.initializer.append(numpy_helper.from_array(np.array(values), name))
        return name

    def add(self, operator: str, *inputs: Any, **attributes: Any) -> str:
        names = [one if isinstance(one, str) else self.constant(one) for one in inputs]
        name = f"mutation{self.number}.{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, names, [name], name, **attributes))
        return name

    def by_channel(self, values: np.ndarray) -> np.ndarray:
        shape = [1] * self.rank
        shape[self.channel] = len(values)
        return values.astype(np.float32).reshape(shape)

    def size(self, axis: int) -> str:
        """Add the size of x along an axis, as a scalar tensor."""
        return self.add("Gather", self.add("Shape", self.x), np.int64(axis))

    def close(self, name: str) -> Any:
        nodes = list(self.model.graph.node)
        if self.target is not None:
            self.target[0].input[self.target[1]] = name
            at = next(index for index, node in enumerate(nodes) if node is self.target[0])
        else:
            self.nodes.append(helper.make_node("Identity", [name], [self.end], f"mutation{self.number}.end"))
            at = len(nodes)
        nodes[at:at] = self.nodes
        del self.model.graph.node[:]
        self.model.graph.node.extend(nodes)
        return self.model


Mutation: TypeAlias = Callable[[Edit], str]


def magnitude(e: Edit, low: float = -3, high: float = 1) -> np.float32:
    return np.float32(e.random.choice([-1, 1]) * 10 ** e.random.uniform(low, high))


def bump(e: Edit) -> str:
    """Change the value of x near one value: one that it has for a uniform image, or a random one."""
    chosen = (
        e.values.ravel()[int(e.random.integers(e.values.size))] if e.random.random() < 0.8 else magnitude(e)
    )
    width = np.float32(10 ** e.random.uniform(-6, -1))
    far = e.add("Abs", e.add("Sub", e.x, np.float32(chosen)))
    inside = e.add("Relu", e.add("Sub", width, far))
    return e.add("Add", e.x, e.add("Mul", inside, np.float32(10 ** e.random.uniform(0, 3)) / width))


def hinge(e: Edit) -> str:
    """Change the slope above a value, which can be large."""
    beyond = e.add("Relu", e.add("Sub", e.x, magnitude(e, -2, 4)))
    return e.add("Add", e.x, e.add("Mul", beyond, magnitude(e)))


def limit(e: Edit) -> str:
    operator = str(e.random.choice(["Min", "Max", "Clip"]))
    if operator == "Clip":
        reach = abs(magnitude(e, -1, 9))
        return e.add("Clip", e.x, -reach, reach)
    return e.add(operator, e.x, magnitude(e, -2, 4))


def lose_digits(e: Edit) -> str:
    """Add operators that change nothing in exact arithmetic."""
    large = np.float32(10 ** e.random.uniform(1, 35))
    match int(e.random.integers(4)):
        case 0:
            return e.add("Sub", e.add("Add", e.x, large), large)
        case 1:
            return e.add("Mul", e.add("Mul", e.x, large), np.float32(1) / large)
        case 2:
            return e.add("Mul", e.add("Div", e.x, large), large)
        case _:
            much = e.add("Mul", e.x, large)
            return e.add("Sub", e.add("Add", much, e.x), much)


def scale(e: Edit) -> str:
    """Multiply by a factor near 1, or add an offset near 0."""
    little = np.float32(e.random.choice([0, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3]) * e.random.choice([-1, 1]))
    operator = str(e.random.choice(["Mul", "Div", "Add", "Sub"]))
    value = np.float32(1) + little if operator in ("Mul", "Div") else little
    if e.random.random() < 0.3 and isinstance(e.channels, int):
        factors = np.full(e.channels, float(operator in ("Mul", "Div")))
        factors[int(e.random.integers(e.channels))] = value
        return e.add(operator, e.x, e.by_channel(factors))
    return e.add(operator, e.x, value)


def two_factors(e: Edit) -> str:
    factor = magnitude(e)
    return e.add(str(e.random.choice(["Mul", "Div"])), e.add("Mul", e.x, factor), factor)


def unary(e: Edit) -> str:
    names = ["Relu", "Abs", "Neg", "Identity", "Dropout", "Sigmoid", "Tanh", "Floor", "Round", "Sign", "Exp"]
    return e.add(str(e.random.choice(names)), e.x)


def double_negation(e: Edit) -> str:
    return e.add("Neg", e.add("Neg", e.x))


def leaky(e: Edit) -> str:
    return e.add("LeakyRelu", e.x, alpha=float(e.random.choice([1, 0.999999, 0.99, 0.01])))


def prelu(e: Edit) -> str:
    slope = np.full(e.channels if isinstance(e.channels, int) else 1, e.random.choice([1, 1.00001, 0.25]))
    return e.add("PRelu", e.x, e.by_channel(slope) if e.random.random() < 0.5 else slope.astype(np.float32))


def softmax(e: Edit) -> str:
    return e.add(str(e.random.choice(["Softmax", "LogSoftmax"])), e.x, axis=int(e.random.choice([0, 1, -1])))


def cast(e: Edit) -> str:
    to = int(
        e.random.choice([HALF, DOUBLE, TensorProto.INT32, TensorProto.BFLOAT16, FLOAT, TensorProto.BOOL])
    )
    return e.add("Cast", e.add("Cast", e.x, to=to), to=FLOAT)


def quantise(e: Edit) -> str:
    kind = e.random.choice([np.uint8, np.int8])
    step, zero = np.float32(10 ** e.random.uniform(-6, 0)), kind(e.random.integers(0, 100))
    return e.add("DequantizeLinear", e.add("QuantizeLinear", e.x, step, zero), step, zero)


def dropout(e: Edit) -> str:
    """Add a Dropout with training mode on, off, or on above a size."""
    ratio = np.float32(e.random.choice([0, 1e-4, 0.5, 0.9]))
    if e.random.random() < 0.5:
        return e.add("Dropout", e.x, ratio, np.array(bool(e.random.integers(2))))
    limit = np.int64(e.random.choice([1, 4, 30, 60]))
    training = e.add("Greater", e.size(int(e.random.integers(e.rank))), limit)
    return e.add("Dropout", e.x, ratio, training)


def normalise_batch(e: Edit) -> str:
    count = e.channels if isinstance(e.channels, int) else 3
    one, none = np.ones(count, np.float32), np.zeros(count, np.float32)
    attributes = {"training_mode": 1} if e.random.random() < 0.3 else {}
    epsilon = float(e.random.choice([0, 1e-7, 1e-5, 1e-2]))
    return e.add("BatchNormalization", e.x, one, none, none, one, epsilon=epsilon, **attributes)


def mix_batch(e: Edit) -> str:
    """Mix the items of a batch; a batch of one item does not change."""
    match int(e.random.integers(5)):
        case 0:
            mean = e.add("ReduceMean", e.x, axes=[0], keepdims=1)
            return e.add("Add", e.x, e.add("Mul", e.add("Sub", e.x, mean), magnitude(e)))
        case 1:
            return e.add("CumSum", e.x, np.int64(0))
        case 2:
            last = [np.array([one], np.int64) for one in (-1, -(1 << 40), 0, -1)]
            return e.add("Slice", e.x, *last)
        case 3:
            greatest = e.add("ReduceMax", e.x, axes=[0], keepdims=1)
            return e.add("Max", e.x, greatest)
        case _:
            return e.add("Softmax", e.x, axis=0)


def by_size(e: Edit) -> str:
    """Change the value if an axis is larger than a limit."""
    axis = int(e.random.integers(e.rank))
    large = e.add("Greater", e.size(axis), np.int64(e.random.choice([1, 3, 6, 30, 60, 100, 200])))
    match int(e.random.integers(3)):
        case 0:
            return e.add("Where", large, e.add("Mul", e.x, magnitude(e)), e.x)
        case 1:
            return e.add("Add", e.x, e.add("Mul", e.add("Cast", large, to=FLOAT), magnitude(e)))
        case _:
            if e.rank != 4:
                return e.add("Where", large, e.add("Neg", e.x), e.x)
            sizes = e.add("Shape", e.x)
            order = e.add("Where", large, np.array([0, 1, 3, 2]), np.array([0, 1, 2, 3]))
            return e.add("Reshape", e.x, e.add("Gather", sizes, order))


def reshape(e: Edit) -> str:
    """Reshape, with or without a change of the batch."""
    known = [one if isinstance(one, int) and one > 0 else None for one in e.shape]
    rest = int(np.prod([one for one in known[1:] if one]))
    targets: list[list[int]] = [
        [0, -1],
        [-1, rest],
        [1, rest],
        [rest, -1],
        [0] * e.rank,
        [1, -1],
        [-1],
        [0, 1, -1],
    ]
    targets += [[0, 0, -1], [2, -1], [-1, 2], [0, -1, 1, 1], [0, rest]]
    target = targets[int(e.random.integers(len(targets)))]
    flat = e.add("Reshape", e.x, np.array(target, np.int64))
    if e.random.random() < 0.6:
        return flat
    return e.add("Reshape", flat, e.add("Shape", e.x))


def flatten(e: Edit) -> str:
    return e.add("Flatten", e.x, axis=int(e.random.choice([0, 1, 2, -1])))


def squeeze(e: Edit) -> str:
    if e.random.random() < 0.5:
        return e.add("Squeeze", e.x)
    axis = np.array([int(e.random.integers(e.rank))])
    return e.add("Squeeze", e.add("Unsqueeze", e.x, axis), axis)


def transpose(e: Edit) -> str:
    order = [int(one) for one in e.random.permutation(e.rank)]
    back = np.argsort(order) if e.random.random() < 0.6 else e.random.permutation(e.rank)
    return e.add("Transpose", e.add("Transpose", e.x, perm=order), perm=[int(one) for one in back])


def turn(e: Edit) -> str:
    return e.add("Transpose", e.x, perm=[int(one) for one in e.random.permutation(e.rank)])


def pad(e: Edit) -> str:
    pads = np.zeros((2, e.rank), np.int64)
    pads[e.random.integers(2), e.random.integers(e.rank)] = e.random.integers(-1, 2)
    mode = str(e.random.choice(["constant", "reflect", "edge"]))
    return e.add("Pad", e.x, pads.ravel(), np.float32(e.random.choice([0, 1, -np.inf])), mode=mode)


def cut(e: Edit) -> str:
    axis, begin = int(e.random.integers(e.rank)), int(e.random.integers(0, 2))
    end = 1 << 40 if e.random.random() < 0.7 else int(e.random.choice([2, 30, 60]))
    return e.add("Slice", e.x, *(np.array([one], np.int64) for one in (begin, end, axis)))


def gather(e: Edit) -> str:
    count = e.channels if isinstance(e.channels, int) else 3
    order = np.arange(count)
    if e.random.random() < 0.7:
        order[int(e.random.integers(count))] = e.random.integers(count)
    return e.add("Gather", e.x, order, axis=e.channel)


def pool(e: Edit) -> str:
    window = [1, int(e.random.integers(1, 3))]
    return e.add(str(e.random.choice(["AveragePool", "MaxPool"])), e.x, kernel_shape=window)


def add_constant_map(e: Edit) -> str:
    """Add a constant that varies along the last axis."""
    width = int(e.random.choice([1, 3, 6, 10, 16, 24, 28, 32, 48]))
    values = np.zeros(width, np.float32)
    values[0] = magnitude(e)
    return e.add(str(e.random.choice(["Add", "PRelu"])), e.x, values)


def concat(e: Edit) -> str:
    if e.random.random() < 0.3:
        return e.add("Concat", e.x, axis=1)
    both = e.add("Concat", e.x, e.add("Neg", e.x), axis=e.channel)
    count = e.channels if isinstance(e.channels, int) else 3
    return e.add("Slice", both, *(np.array([one], np.int64) for one in (0, count, e.channel)))


OPERATORS: dict[str, Mutation] = {
    one.__name__: one
    for one in (
        *(bump, hinge, limit, lose_digits, scale, two_factors, unary, double_negation, leaky, prelu, softmax),
        *(cast, quantise, dropout, normalise_batch, mix_batch, by_size, reshape, flatten, squeeze, transpose),
        *(turn, pad, cut, gather, pool, add_constant_map, concat),
    )
}
# Operators that the reader supports in several places occur more often: they can cause false verdicts.
LIKELY = [
    *OPERATORS,
    *("bump", "scale", "lose_digits", "dropout", "mix_batch", "by_size", "reshape", "cast") * 2,
]


def change_number(model: Any, random: Random) -> str:
    """Change one number of a constant by 1 ulp, multiply all by a factor near 1, or exchange two."""
    tensors = [one for one in model.graph.initializer if one.data_type == FLOAT and np.prod(one.dims) > 0]
    tensor = tensors[int(random.integers(len(tensors)))]
    values = numpy_helper.to_array(tensor).copy()
    flat, at = values.reshape(-1), int(random.integers(values.size))
    kind = str(random.choice(["ulp", "factor", "exchange", "zero", "sign", "half", "shape"]))
    match kind:
        case "ulp":
            flat[at] = np.nextafter(flat[at], np.float32(np.inf))
        case "factor":
            flat *= np.float32(1 + random.choice([1e-7, 1e-6, 1e-5, 1e-3]))
        case "exchange":
            other = int(random.integers(values.size))
            flat[[at, other]] = flat[[other, at]]
        case "zero":
            flat[at] = 0
        case "sign":
            flat[at] = -flat[at]
        case "half":
            flat[:] = np.clip(flat, -60000, 60000).astype(np.float16)
        case _:
            values = values.reshape(-1) if random.random() < 0.5 else values.reshape(values.shape[::-1])
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values), tensor.name))
    return f"number {kind}"


ATTRIBUTES: dict[str, list[dict[str, Any]]] = {
    "MaxPool": [
        {"ceil_mode": 0},
        {"pads": [0, 0, 1, 1]},
        {"auto_pad": "SAME_UPPER"},
        {"auto_pad": "VALID"},
        {"dilations": [2, 2]},
        {"storage_order": 1},
        {"strides": [2, 1]},
    ],
    "Conv": [
        {"pads": [1, 1, 1, 1]},
        {"pads": [0, 0, 0, 1]},
        {"auto_pad": "SAME_LOWER"},
        {"auto_pad": "VALID", "pads": [1, 1, 1, 1]},
        {"strides": [1, 2]},
        {"dilations": [1, 2]},
        {"group": 2},
    ],
    "Gemm": [{"alpha": 1.00001}, {"beta": 0.99999}, {"transA": 1}, {"transB": 0}],
    "Flatten": [{"axis": 0}, {"axis": 2}, {"axis": -1}],
    "Softmax": [{"axis": 0}, {"axis": -1}, {"axis": 2}],
    "Concat": [{"axis": 0}, {"axis": -1}],
    "PRelu": [{"slope": 1.0}],
}


def change_attribute(model: Any, random: Random) -> str:
    nodes = [node for node in model.graph.node if node.op_type in ATTRIBUTES]
    node = nodes[int(random.integers(len(nodes)))]
    choices = ATTRIBUTES[node.op_type]
    for name, value in choices[int(random.integers(len(choices)))].items():
        kept = [one for one in node.attribute if one.name != name]
        del node.attribute[:]
        node.attribute.extend([*kept, helper.make_attribute(name, value)])
    return f"attribute of {node.op_type}"


def change_outputs(model: Any, random: Random) -> str:
    graph = model.graph
    kind = str(random.choice(["inner", "zeros", "more", "fewer", "exchange", "names"]))
    chosen = graph.output[int(random.integers(len(graph.output)))]
    names = [name for node in graph.node for name in node.output]
    inner = names[int(random.integers(len(names)))]
    match kind:
        case "inner":
            chosen.name = inner
            del chosen.type.tensor_type.shape.dim[:]
            chosen.type.tensor_type.ClearField("shape")
        case "zeros" | "more":
            operator = "Mul" if kind == "zeros" else "Neg"
            inputs = [chosen.name]
            if kind == "zeros":
                graph.initializer.append(numpy_helper.from_array(np.float32(0), "mutation.zero"))
                inputs.append("mutation.zero")
            graph.node.append(helper.make_node(operator, inputs, ["mutation.out"], "mutation.out"))
            value = helper.make_tensor_value_info("mutation.out", FLOAT, None)
            graph.output.append(value) if kind == "more" else chosen.CopyFrom(value)
        case "fewer" if len(graph.output) > 1:
            graph.output.remove(chosen)
        case "exchange" if len(graph.output) > 1:
            first, second = copy.deepcopy(graph.output[0]), copy.deepcopy(graph.output[1])
            graph.output[0].CopyFrom(second)
            graph.output[1].CopyFrom(first)
        case _:
            value = helper.make_tensor_value_info(inner, FLOAT, None)
            if inner not in {one.name for one in graph.output}:
                graph.output.append(value)
    return f"outputs {kind}"


def change_file(model: Any, random: Random) -> str:
    """Change the version of the operators, define an operator, or change a size of the input."""
    kind = str(random.choice(["version", "function", "input", "domain"]))
    if kind == "version":
        model.opset_import[0].version = int(random.choice([6, 7, 9, 11, 12, 13, 18, 20]))
    elif kind == "function":
        operator = str(random.choice(["Relu", "Conv", "Identity", "MaxPool"]))
        inner = helper.make_node("Neg", ["a"], ["b"])
        opset = [helper.make_opsetid("", 17)]
        model.functions.append(helper.make_function("", operator, ["a"], ["b"], [inner], opset))
    elif kind == "domain":
        node = model.graph.node[int(random.integers(len(model.graph.node)))]
        node.domain = str(random.choice(["ai.onnx", "com.microsoft", "mine"]))
    else:
        dim = model.graph.input[0].type.tensor_type.shape.dim
        dim[int(random.integers(len(dim)))].dim_value = int(random.choice([1, 2, 12, 24, 48, 60]))
    return f"file {kind}"
