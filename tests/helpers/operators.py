"""Operators to insert anywhere in a correct graph. Some change nothing; most change its outputs."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

HALF, FLOAT = TensorProto.FLOAT16, TensorProto.FLOAT


class Planting:
    """A copy of a graph in which operators are inserted after one tensor. `rank` is that of the tensor."""

    def __init__(self, model: Any, random: np.random.Generator) -> None:
        self.model = copy.deepcopy(model)
        self.random = random
        graph = self.model.graph
        constants = {one.name for one in graph.initializer}
        edges = [
            (index, place)
            for index, node in enumerate(graph.node)
            for place, name in enumerate(node.input)
            if name not in constants
        ]
        choice = int(random.integers(len(edges) + 1))
        self.at, place = edges[choice] if choice < len(edges) else (len(graph.node), 0)
        if self.at == len(graph.node):  # the graph output keeps its name, and the last node gets another
            self.out = graph.output[0].name
            node = next(node for node in graph.node if self.out in node.output)
            node.output[0] = self.start = "before-planted"
        else:
            self.start, self.out = graph.node[self.at].input[place], "planted"
            graph.node[self.at].input[place] = self.out
        flat = next((i for i, node in enumerate(graph.node) if node.op_type == "Flatten"), self.at)
        self.rank = 4 if self.at <= flat else 2
        self.nodes: list[Any] = []

    def constant(self, values: Any) -> str:
        name = f"planted.constant{len(self.model.graph.initializer)}"
        self.model.graph.initializer.append(numpy_helper.from_array(np.array(values), name))
        return name

    def add(self, operator: str, *inputs: Any, first: bool = True, **attributes: Any) -> None:
        """Add a node with the current tensor and constants as inputs; `first`: the tensor comes first."""
        before = self.nodes[-1].output[0] if self.nodes else self.start
        held = [one if isinstance(one, str) else self.constant(one) for one in inputs]
        names = [before, *held] if first else [*held, before]
        self.nodes.append(helper.make_node(operator, names, [f"planted{len(self.nodes)}"], **attributes))

    def finish(self) -> Any:
        """Insert the operators and return the graph."""
        self.nodes[-1].output[0] = self.out
        for node in reversed(self.nodes):
            self.model.graph.node.insert(self.at, node)
        return self.model


def number(p: Planting) -> np.float32:
    """Return a random number of random magnitude."""
    return np.float32(p.random.choice([-1, 1]) * 10 ** p.random.uniform(-3, 1))


def unary(operator: str, **attributes: Any) -> Callable[[Planting], None]:
    return lambda p: p.add(operator, **attributes)


def arithmetic(p: Planting) -> None:
    """Add arithmetic with a constant that has a large effect, a small effect or none."""
    operator = str(p.random.choice(["Add", "Sub", "Mul", "Div"]))
    off = float(p.random.choice([0, 0.003, number(p)]))
    p.add(operator, np.float32(off + (operator in ("Mul", "Div"))))


def limit(p: Planting) -> None:
    p.add(str(p.random.choice(["Min", "Max"])), number(p))


def clip(p: Planting) -> None:
    reach = abs(number(p)) * np.float32(p.random.choice([1, 1e9]))
    p.add("Clip", -reach, reach)


def transpose_twice(p: Planting) -> None:
    order = [int(one) for one in p.random.permutation(p.rank)]
    p.add("Transpose", perm=order)
    back = np.argsort(order) if p.random.random() < 0.7 else p.random.permutation(p.rank)
    p.add("Transpose", perm=[int(one) for one in back])


def pad(p: Planting) -> None:
    pads = np.zeros((2, p.rank), np.int64)
    pads[p.random.integers(2), -1] = p.random.integers(0, 2)
    p.add("Pad", pads.ravel(), np.float32(p.random.choice([0, 1])))


def crop(p: Planting) -> None:
    axis, begin = p.rank - 1, int(p.random.integers(0, 2))
    p.add("Slice", *(np.array([one], np.int64) for one in (begin, 1 << 40, axis)))


def reverse(p: Planting) -> None:
    p.add("Slice", *(np.array([one], np.int64) for one in (-1, -(1 << 40), 1, -1)))


def half(p: Planting) -> None:
    p.add("Cast", to=HALF)
    p.add("Cast", to=FLOAT)


def integers(p: Planting) -> None:
    p.add("Cast", to=TensorProto.INT32)
    p.add("Cast", to=FLOAT)


def gather(p: Planting) -> None:
    """Select three of the first three maps, with repetition."""
    p.add("Gather", np.array(p.random.choice([0, 1, 2], 3), np.int64), axis=1)


def where(p: Planting) -> None:
    p.add("Where", np.array(bool(p.random.integers(2))), number(p), first=False)


def normalise_batch(p: Planting) -> None:
    one, none = np.ones(3, np.float32), np.zeros(3, np.float32)
    p.add("BatchNormalization", one, none, none, one, epsilon=float(p.random.choice([0, 1e-2])))


def prelu(p: Planting) -> None:
    p.add("PRelu", np.full([1] * p.rank, p.random.choice([1, 0.25]), np.float32))


def leaky(p: Planting) -> None:
    p.add("LeakyRelu", alpha=float(p.random.choice([1, 0.99, 0.01])))


def softmax(p: Planting) -> None:
    p.add(str(p.random.choice(["Softmax", "LogSoftmax"])), axis=int(p.random.choice([1, -1])))


def quantise(p: Planting) -> None:
    step, zero = p.constant(abs(number(p))), p.constant(np.uint8(128))
    p.add("QuantizeLinear", step, zero)
    p.add("DequantizeLinear", step, zero)


def pool(p: Planting) -> None:
    p.add(str(p.random.choice(["AveragePool", "MaxPool"])), kernel_shape=[1, int(p.random.integers(1, 3))])


def greatest(p: Planting) -> None:
    p.add("ReduceMax", np.array([-1], np.int64), keepdims=1)


SIMPLE = ["Relu", "Abs", "Neg", "Identity", "Dropout", "Sigmoid", "Tanh", "Floor", "Round", "Sign", "Sqrt"]
OPERATORS: dict[str, Callable[[Planting], None]] = {one: unary(one) for one in SIMPLE} | {
    one.__name__: one
    for one in (
        *(arithmetic, limit, clip, transpose_twice, pad, crop, reverse, half, integers, gather, where),
        *(normalise_batch, prelu, leaky, softmax, quantise, pool, greatest),
    )
}
# Operators that the reader supports in several places occur more often: they can cause false verdicts.
LIKELY = [*OPERATORS, *("half", "limit", "arithmetic", "Relu", "leaky", "prelu", "softmax", "quantise") * 3]


def plant(model: Any, random: np.random.Generator) -> tuple[str, Any]:
    """Insert one operator. Return its name and the graph."""
    name = LIKELY[int(random.integers(len(LIKELY)))]
    planting = Planting(model, random)
    OPERATORS[name](planting)
    return name, planting.finish()


def write_out_prelus(model: Any) -> Any:
    """Write every PReLU as relu(v) - slope * relu(-v)."""
    result = copy.deepcopy(model)
    nodes = []
    for node in result.graph.node:
        if node.op_type != "PRelu":
            nodes.append(node)
            continue
        (v, slopes), (out,) = node.input, node.output
        for operator, inputs, name in (
            ("Relu", [v], "plus"),
            ("Neg", [v], "turned"),
            ("Relu", [f"{out}/turned"], "minus"),
            ("Mul", [slopes, f"{out}/minus"], "part"),
        ):
            nodes.append(helper.make_node(operator, inputs, [f"{out}/{name}"]))
        nodes.append(helper.make_node("Sub", [f"{out}/plus", f"{out}/part"], [out]))
    del result.graph.node[:]
    result.graph.node.extend(nodes)
    return result
