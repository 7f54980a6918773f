"""Reading an ONNX graph as a found network: one operator after the other, from the input to the heads.

A graph is read for what it computes, so one that works channels last, or on pictures on their side, is no
mistake. Rooms, from the ground: `graph` (constants, users) and `tensor`, `call` (one node) and `builder`
(the network so far), `layers` and `layout` (the operators), `region`, and this one, which walks.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import PortError, Unsupported, reading
from ..found import FoundConv, FoundDense, FoundGraph, FoundLayer, FoundNetwork
from ..heads import join, join_heads
from . import layers, layout
from .builder import Builder
from .call import Call
from .file import read_model
from .graph import Graph, title
from .region import find_prelu
from .tensor import Tensor

if TYPE_CHECKING:
    import onnx

Operator: TypeAlias = Callable[[Call, Tensor, Builder], Tensor]

OPERATORS: dict[str, Operator] = {
    "Conv": layers.conv,
    "MaxPool": layers.max_pool,
    "PRelu": layers.prelu,
    "LeakyRelu": layers.activation,
    "Relu": layers.activation,
    "Sigmoid": layers.activation,
    "Softmax": layers.softmax,
    "LogSoftmax": layers.softmax,
    "Gemm": layers.gemm,
    "MatMul": layers.mat_mul,
    "Add": layers.arithmetic,
    "Sub": layers.arithmetic,
    "Mul": layers.arithmetic,
    "Div": layers.arithmetic,
    "Flatten": layout.flatten,
    "Reshape": layout.reshape,
    "Squeeze": layout.squeeze,
    "Transpose": layout.transpose,
    "Pad": layout.pad,
    "Gather": layout.gather,
    "Slice": layout.slice_channels,
    "Identity": layout.unchanged,
    "Dropout": layout.unchanged,
    "Cast": layout.unchanged,
    "QuantizeLinear": layout.quantise,
    "DequantizeLinear": layout.quantise,
}


@dataclass(frozen=True)
class End:
    """Where the reader came to an end. `slot`: its place in the Concat that joins the heads; -1 without."""

    network: Builder
    slot: int = -1


def read_onnx(path: str | Path) -> FoundNetwork:
    """The network of an ONNX file. Raises FileNotFoundError, PortError naming the node that cannot be read,
    MissingExtra without onnx."""
    return found_from_onnx(read_model(path), str(path))


def found_from_onnx(model: onnx.ModelProto, source: str) -> FoundNetwork:
    """The network of a graph; `source` names it in errors. Raises as `read_onnx`."""
    with reading(source):
        return from_graph(model, source)


def from_graph(model: onnx.ModelProto, source: str) -> FoundNetwork:
    graph = Graph(model, source)
    picture = entry(graph)
    ends = sorted(follow(graph, picture, Builder()), key=lambda end: end.slot)
    found = join_ends(ends, source)
    if not found:
        raise PortError(f"{source}: expected convolutions and dense layers, found none")
    first = ends[0].network
    notes = tuple(dict.fromkeys(note for end in ends for note in end.network.all_notes))
    seen = FoundGraph(model, picture.name, picture.axes == "nyxc")
    return FoundNetwork(source, found, True, first.scale, first.shift, notes, seen)


def entry(graph: Graph) -> Tensor:
    """The picture: channels last where its last axis has 3 values and its second has not."""
    if len(graph.inputs) != 1:
        raise PortError(f"{graph.source}: expected one input, found {len(graph.inputs)}")
    (given,) = graph.inputs
    sizes = [dimension.dim_value for dimension in given.type.tensor_type.shape.dim]
    last = len(sizes) == 4 and sizes[3] == 3 and sizes[1] != 3
    return Tensor(given.name, "nyxc" if last else "ncyx")


def follow(graph: Graph, tensor: Tensor, network: Builder) -> list[End]:
    """Read on from `tensor`: to one end, or to the end of each head."""
    while users := graph.users.get(tensor.name):
        if len(users) > 1:
            prelu = written_prelu(graph, tensor, network)
            if prelu is None:
                return branch(graph, tensor, network)
            network.add(prelu)
            tensor = replace(tensor, name=prelu.name)
        elif users[0].op_type == "Concat":
            return [End(network, list(users[0].input).index(tensor.name))]
        else:
            tensor = step(graph, users[0], tensor, network)
    return [End(network)]


def written_prelu(graph: Graph, tensor: Tensor, network: Builder) -> FoundLayer | None:
    if network.channels is None:
        return None
    try:
        return find_prelu(graph, tensor, network.channels)
    except Unsupported as error:
        raise PortError(f"{graph.source}: after {tensor.name!r}: {error}") from error


def branch(graph: Graph, tensor: Tensor, network: Builder) -> list[End]:
    """Read each head; what adds no layer is none."""
    users = graph.users[tensor.name]
    if network.shared is not None:
        raise PortError(f"{graph.source}: {title(users[0])}: expected heads that do not divide again")
    ends: list[End] = []
    for node in users:
        head = network.fork()
        ends += follow(graph, step(graph, node, tensor, head), head)
    return [end for end in ends if end.network.head] or ends[:1]


def step(graph: Graph, node: Any, tensor: Tensor, network: Builder) -> Tensor:
    """Read one node: the tensor that leaves it."""
    where = f"{graph.source}: {title(node)}"
    operator = OPERATORS.get(node.op_type) if node.domain in ("", "ai.onnx") else None
    if operator is None:
        known = ", ".join(sorted(OPERATORS))
        raise PortError(f"{where}: unsupported operator; expected one of {known}")
    try:
        left = operator(Call(graph, node), tensor, network)
    except Unsupported as error:
        raise PortError(f"{where}: {error}") from error
    return replace(left, name=node.output[0])


def join_ends(ends: list[End], source: str) -> tuple[FoundLayer, ...]:
    """The layers of the whole network, its heads joined into one."""
    first = ends[0]
    if len(ends) == 1:
        return first.network.layers
    own = [layer for end in ends for layer in end.network.head]
    heads = [layer for layer in own if isinstance(layer, (FoundConv, FoundDense))]
    if len(heads) != len(ends):
        raise PortError(
            f"{source}: expected {len(ends)} heads of one weighted layer each, found {len(own)} layers"
        )
    # Several outputs of a graph have no order of their own: they are put as class, box, landmarks. Heads that
    # the graph itself joins keep the order in which it does.
    joined = join_heads(heads) if first.slot < 0 else [functools.reduce(join, heads)]
    return (*first.network.layers[: first.network.shared], *joined)
