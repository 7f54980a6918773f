"""A PReLU that was written with other operators."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..found import FoundActivation, FoundConv, FoundDense
from ..recognise import outputs
from .state import State, Unsupported

if TYPE_CHECKING:
    from .graph import Graph

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


def activation_of_region(graph: Graph, state: State) -> State | None:
    """PReLU written with other operators (`relu(v) - slope * relu(-v)` and the like), from which one tensor
    leads out.

    None where the users of the tensor are no such region. It is computed for -2, -1, 1 and 2, which tells
    the slopes.
    """
    inside, nodes = {state.tensor}, []
    for node in graph.model.graph.node:
        dynamic = [name for name in node.input if name and name not in graph.constants]
        if node.op_type in ELEMENTWISE and dynamic and all(name in inside for name in dynamic):
            nodes.append(node)
            inside.update(node.output)
    exits = {
        name
        for name in inside
        if name in graph.outputs or any(node not in nodes for node in graph.users.get(name, []))
    }
    if len(exits) != 1 or state.tensor in exits or not nodes:
        return None
    (end,) = exits
    weighted = [layer for layer in state.layers if isinstance(layer, (FoundConv, FoundDense))]
    if not weighted:
        return None
    shape = [1] * (2 if state.flat else 4)
    shape[1 if state.flat else state.axes.index("c")] = outputs(weighted[-1])
    minus2, minus1, plus1, plus2 = (
        graph.evaluate(nodes, {state.tensor: np.full(shape, value, np.float32)}, end).ravel()
        for value in (-2, -1, 1, 2)
    )
    if not (np.all(plus1 == 1) and np.all(plus2 == 2) and np.allclose(minus2, 2 * minus1)):
        raise Unsupported("expected these operators to be a PReLU")
    state.layers.append(FoundActivation(end, "PRelu", -minus1))
    state.tensor = end
    return state
