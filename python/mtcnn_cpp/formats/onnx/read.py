"""Reading an ONNX graph as a found network: one operator after the other, from the input to the heads.

A graph is read for what it computes, so one that works channels last, or on pictures on their side, is no
mistake. It is read only if it is proven to compute that for every image, every batch and every size:
whatever could make an output depend on anything else is an error, or an alteration of the found network.

Modules, from the ground: `extent` (sizes), `graph` (constants, users), `shapes` and `tensor`, `call` (one
node) and `builder` (the network so far), `layers` and `layout` (the operators), `region`, and this one, which
walks.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..errors import PortError, Unsupported, reading
from ..found import NO_PADS, FoundConv, FoundDense, FoundGraph, FoundLayer, FoundNetwork
from ..heads import join, join_heads
from . import layers, layout
from .builder import ROUNDING, Builder
from .call import Call
from .extent import BATCH, Extent
from .file import read_model
from .graph import DOMAINS, Graph, title
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
    "Identity": layout.identity,
    "Dropout": layout.dropout,
    "Cast": layout.cast,
    "QuantizeLinear": layout.quantise,
    "DequantizeLinear": layout.quantise,
}


# Operators that use up the padding before them, or leave it for the next one.
PADDED = {"Conv", "MaxPool", "Identity", "Pad"}
# What float32 may lose of a normalised image, whose values reach 1: four operations, at magnitudes up to 4.
LOST = 16 * ROUNDING


@dataclass(frozen=True)
class End:
    """Where the reader came to an end: at the tensor `tensor`. `concat`: the node that joins it to others;
    None without."""

    network: Builder
    tensor: Tensor
    concat: Any = None


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
    image = entry(graph)
    network = finish(graph, follow(graph, image, Builder()))
    if not network.layers:
        raise PortError(f"{source}: expected convolutions and fully connected layers, found none")
    if network.rounding > LOST:
        network.alter(f"the image's normalisation loses up to {network.rounding:.1e} of it in float32")
    scale, shift = (None if one is None else one.astype(np.float32) for one in (network.scale, network.shift))
    seen = FoundGraph(model, image.name, image.axes[-1] == "c")
    notes, altered = dict.fromkeys(network.all_notes), dict.fromkeys(network.all_alterations)
    return FoundNetwork(
        source, network.layers, True, scale, shift, tuple(notes), seen, alterations=tuple(altered)
    )


def entry(graph: Graph) -> Tensor:
    """The image: channels last where its last axis has 3 values and its second has not."""
    if len(graph.inputs) != 1:
        raise PortError(f"{graph.source}: expected one input, found {len(graph.inputs)}")
    (given,) = graph.inputs
    kind = given.type.tensor_type
    sizes = [int(dimension.dim_value) for dimension in kind.shape.dim]
    if sizes and len(sizes) != 4:
        raise PortError(f"{graph.source}: expected an input of 4 axes, found {len(sizes)}")
    last = len(sizes) == 4 and sizes[3] == 3 and sizes[1] != 3
    axes = tuple("nyxc" if last else "ncyx")
    stated = dict(zip(axes, sizes, strict=False))
    symbols = {"n": BATCH, "y": "H", "x": "W"}
    extents = {
        letter: Extent(stated[letter]) if stated.get(letter, 0) > 0 else Extent(1, (symbol,))
        for letter, symbol in symbols.items()
    }
    return Tensor(given.name, axes, {**extents, "c": Extent(3)}, element=int(kind.elem_type))


def follow(graph: Graph, tensor: Tensor, network: Builder) -> list[End]:
    """Read on from `tensor`: to one end, or to the end of each head."""
    while True:
        if not tensor.is_split:
            graph.shapes[tensor.name] = tensor.shape
        users = graph.users.get(tensor.name)
        if not users:
            return [End(network, tensor)]
        if len(users) > 1:
            prelu = written_prelu(graph, tensor, network)
            if prelu is None:
                return branch(graph, tensor, network)
            network.add(prelu)
            tensor = replace(tensor, name=prelu.name)
        elif users[0].op_type == "Concat" and len(users[0].input) > 1:
            return [End(network, tensor, users[0])]
        else:
            tensor = step(graph, users[0], tensor, network)


def written_prelu(graph: Graph, tensor: Tensor, network: Builder) -> FoundLayer | None:
    if network.channels is None or tensor.pads != NO_PADS or "c" not in tensor.axes:
        return None
    try:
        return find_prelu(graph, tensor)
    except Unsupported as error:
        raise PortError(f"{graph.source}: after {tensor.name!r}: {error}") from error


def branch(graph: Graph, tensor: Tensor, network: Builder) -> list[End]:
    """Read each head. A branch that adds no layer is none; it must leave the network as it is."""
    users = graph.users[tensor.name]
    if network.shared is not None:
        raise PortError(f"{graph.source}: {title(users[0])}: expected heads that do not divide again")
    ends: list[End] = []
    for node in users:
        head = network.fork()
        ends += follow(graph, step(graph, node, tensor, head), head)
    heads = [end for end in ends if end.network.head]
    for end in ends:
        if not end.network.head and not end.network.is_like(network):
            raise PortError(
                f"{graph.source}: {title(users[0])}: expected heads of one weighted layer each, "
                "found a branch without one that changes the numbers"
            )
    return heads or [min(ends, key=lambda end: bool(end.network.softmax))]


def step(graph: Graph, node: Any, tensor: Tensor, network: Builder) -> Tensor:
    """Read one node: the tensor that leaves it."""
    where = f"{graph.source}: {title(node)}"
    operator = OPERATORS.get(node.op_type) if node.domain in DOMAINS else None
    if operator is None:
        known = ", ".join(sorted(OPERATORS))
        raise PortError(f"{where}: unsupported operator; expected one of {known}")
    try:
        call = Call(graph, node)
        if tensor.pads != NO_PADS and node.op_type not in PADDED:
            raise Unsupported("expected a convolution or a pooling after a Pad")
        left = operator(call, tensor, network)
    except Unsupported as error:
        raise PortError(f"{where}: {error}") from error
    for text in call.rounded:
        network.alter(text)
    return replace(left, name=node.output[0])


def finish(graph: Graph, ends: list[End]) -> Builder:
    """The whole network, its heads joined into one layer, and what follows a Concat that joins them."""
    network = join_ends(ends, graph.source)
    nodes = [end.concat for end in ends if end.concat is not None]
    if nodes:
        ends = follow(graph, concat(graph, ends, nodes[0]), network)
        if len(ends) > 1 or ends[0].concat is not None or ends[0].network.shared is not None:
            raise PortError(f"{graph.source}: {title(nodes[0])}: expected heads that are joined once")
        network = ends[0].network
    for end in ends:
        if not end.tensor.keeps_batch or end.tensor.pads != NO_PADS:
            raise PortError(
                f"{graph.source}: expected outputs whose first axis is the batch, without padding, "
                f"found axes {end.tensor.layout} of {end.tensor.name!r}"
            )
    return network


def concat(graph: Graph, ends: list[End], node: Any) -> Tensor:
    """The tensor that leaves the Concat of all heads."""
    where = f"{graph.source}: {title(node)}"
    names = [end.tensor.name for end in ends]
    if any(end.concat is not node for end in ends) or names != list(node.input):
        raise PortError(f"{where}: expected it to join the heads and nothing else, found {list(node.input)}")
    tensor = ends[0].tensor
    axis = Call(graph, node).attributes.get("axis", 0)
    along = tensor.axis(axis)
    if along != "c" or any(end.tensor.axes != tensor.axes or end.tensor.pads != NO_PADS for end in ends):
        layouts = ", ".join(end.tensor.layout for end in ends)
        raise PortError(
            f"{where}: expected heads joined along their channels, found axis {axis} of {layouts}"
        )
    channels = sum(end.tensor.sizes["c"].number for end in ends)
    return replace(tensor, name=node.output[0], sizes={**tensor.sizes, "c": Extent(channels)})


def join_ends(ends: list[End], source: str) -> Builder:
    """The network with its heads joined into one layer, in the order of the Concat that joins them."""
    first = ends[0]
    if len(ends) == 1:
        return first.network
    joint = ends[0].concat
    if joint is not None:
        order = list(joint.input)
        ends.sort(key=lambda end: order.index(end.tensor.name) if end.tensor.name in order else len(order))
    own = [layer for end in ends for layer in end.network.head]
    heads = [layer for layer in own if isinstance(layer, (FoundConv, FoundDense))]
    if len(heads) != len(ends) or len(own) != len(ends):
        raise PortError(
            f"{source}: expected {len(ends)} heads of one weighted layer each, found {len(own)} layers"
        )
    # Several outputs of a graph have no order of their own: they are put as class, box, landmarks. Heads that
    # the graph itself joins keep the order in which it does.
    joined = join_heads(heads) if joint is None else [functools.reduce(join, heads)]
    return first.network.joined(joined, [end.network for end in ends])
