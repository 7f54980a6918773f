"""A PReLU that was written with other operators."""

from __future__ import annotations

import numpy as np

from ..errors import Unsupported
from ..found import FoundActivation
from .graph import Graph
from .tensor import Tensor

ELEMENTWISE = {
    "Relu",
    "Neg",
    "Mul",
    "Add",
    "Sub",
    "Div",
    "Abs",
    "Max",
    "Min",
    "Identity",
    "LeakyRelu",
    "PRelu",
}


def find_prelu(graph: Graph, tensor: Tensor, channels: int) -> FoundActivation | None:
    """The PReLU of so many channels that starts at `tensor` and is written with several operators, such as
    relu(v) - slope * relu(-v). It has the name of the tensor that leaves it.

    None where the operators after `tensor` are none that work value by value and end in one tensor. The
    region is computed for -2, -1, 1 and 2, which tells the slopes. Raises Unsupported where it computes
    anything but a PReLU.
    """
    inside, nodes, taken = {tensor.name}, [], set()
    for node in graph.nodes:
        dynamic = [name for name in node.input if name and name not in graph.constants]
        if node.op_type in ELEMENTWISE and dynamic and all(name in inside for name in dynamic):
            nodes.append(node)
            taken.add(id(node))
            inside.update(node.output)
    exits = {
        name
        for name in inside
        if name in graph.outputs or any(id(node) not in taken for node in graph.users.get(name, []))
    }
    if len(exits) != 1 or tensor.name in exits or not nodes:
        return None
    (end,) = exits
    shape = [1] * (2 if tensor.flat else 4)
    shape[1 if tensor.flat else tensor.axes.index("c")] = channels
    minus2, minus1, plus1, plus2 = (
        graph.evaluate(nodes, {tensor.name: np.full(shape, value, np.float32)}, end).ravel()
        for value in (-2, -1, 1, 2)
    )
    if not (np.all(plus1 == 1) and np.all(plus2 == 2) and np.allclose(minus2, 2 * minus1)):
        raise Unsupported("expected these operators to be a PReLU")
    return FoundActivation(end, "PRelu", -minus1)
