"""Read an ONNX graph as a FoundNetwork, operator by operator, from the input to the heads.

The reader accepts equivalent graphs, for example graphs with channels last or with transposed images. For
every accepted graph, the reader proves that the network computes the same values as the graph. The proof is
valid for every image, batch and size. If the reader cannot prove this, it raises an error, or it adds an
entry to `alterations` of the network.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._util.errors import import_extra
from ..conventions import join_heads, join_layers
from ..errors import PortError, Unsupported, translate_errors
from ..found import NO_PADS, FoundConv, FoundFullyConnected, FoundGraph, FoundLayer, FoundNetwork
from .builder import ROUNDING, Builder
from .graph import DOMAINS, Graph, describe_node, read_model
from .node import Call
from .operators import OPERATORS
from .prelu import find_prelu
from .tensor import BATCH, Extent, Tensor

if TYPE_CHECKING:
    import onnx
# Operators that apply the padding of a preceding Pad, or keep this padding for the next operator.
PADDED = {"Conv", "MaxPool", "Identity", "Pad"}
# Accepted rounding error of the normalisation, whose results are at most 1. Four operations on values of at
# most 4 do not exceed this error.
MAX_ERROR = 16 * ROUNDING


@dataclass(frozen=True)
class End:
    """An end of the graph.

    `tensor` is the last tensor before the end, and `network` is the network up to this tensor. `concat` is
    the Concat node that joins the tensor with other tensors. It is None if there is no such node.
    """

    network: Builder
    tensor: Tensor
    concat: Any = None


def read_onnx(path: str | Path) -> FoundNetwork:
    """Read the network of an ONNX file.

    Raises FileNotFoundError. Raises PortError if a node is not supported, and the message names the node.
    Raises MissingExtra if onnx is not installed.
    """
    return found_from_onnx(read_model(path), str(path))


def found_from_onnx(model: onnx.ModelProto, source: str) -> FoundNetwork:
    """Read the network of a graph. Raises the errors of `read_onnx`.

    `source` is the name of the graph in errors.
    """
    with translate_errors(source):
        return read_graph(model, source)


def read_graph(model: onnx.ModelProto, source: str) -> FoundNetwork:
    graph = Graph(model, source)
    image = input_tensor(graph)
    network = finish_network(graph, read_from(graph, image, Builder()))
    if not network.layers:
        raise PortError(f"{source}: expected convolutions and fully connected layers, found none")
    if network.rounding > MAX_ERROR:
        network.alter(
            f"the image's normalisation has a rounding error of up to {network.rounding:.1e} in float32"
        )
    scale, shift = (None if one is None else one.astype(np.float32) for one in (network.scale, network.shift))
    found_graph = FoundGraph(model, image.name, image.axes[-1] == "c")
    notes, altered = dict.fromkeys(network.all_notes), dict.fromkeys(network.all_alterations)
    return FoundNetwork(
        source, network.layers, True, scale, shift, tuple(notes), found_graph, alterations=tuple(altered)
    )


def input_tensor(graph: Graph) -> Tensor:
    """Return the input of the graph. Channels are last if axis 3 has size 3 and axis 1 has another size."""
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


def read_from(graph: Graph, tensor: Tensor, network: Builder) -> list[End]:
    """Read the graph from `tensor` to the end of the graph, or to the end of each head."""
    while True:
        if not tensor.is_split:
            graph.shapes[tensor.name] = tensor.shape
        users = graph.users.get(tensor.name)
        if not users:
            return [End(network, tensor)]
        if len(users) > 1:
            prelu = read_prelu(graph, tensor, network)
            if prelu is None:
                return read_heads(graph, tensor, network)
            network.add(prelu)
            tensor = replace(tensor, name=prelu.name)
        elif users[0].op_type == "Concat" and len(users[0].input) > 1:
            return [End(network, tensor, users[0])]
        else:
            tensor = read_node(graph, users[0], tensor, network)


def read_prelu(graph: Graph, tensor: Tensor, network: Builder) -> FoundLayer | None:
    if network.channels is None or tensor.pads != NO_PADS or "c" not in tensor.axes:
        return None
    try:
        return find_prelu(graph, tensor)
    except Unsupported as error:
        raise PortError(f"{graph.source}: {error}") from error


def read_heads(graph: Graph, tensor: Tensor, network: Builder) -> list[End]:
    """Read all branches that start at `tensor`.

    A branch with a layer is a head. A branch without a layer is not a head. It must not change the values,
    but it may end in a Softmax.
    """
    users = graph.users[tensor.name]
    if network.shared is not None:
        raise PortError(
            f"{graph.source}: {describe_node(users[0])}: expected heads without branches, found {len(users)} "
            f"nodes that use {tensor.name!r}"
        )
    ends: list[End] = []
    for node in users:
        head = network.fork()
        ends += read_from(graph, read_node(graph, node, tensor, head), head)
    heads = [end for end in ends if end.network.head]
    for end in ends:
        if not end.network.head and not end.network.is_like(network):
            raise PortError(
                f"{graph.source}: {describe_node(users[0])}: expected one weighted layer in each "
                "head, found a branch that has no weighted layer but changes the numbers"
            )
    return heads or [min(ends, key=lambda end: bool(end.network.softmax))]


def read_node(graph: Graph, node: Any, tensor: Tensor, network: Builder) -> Tensor:
    """Read one node. Return its output tensor."""
    where = f"{graph.source}: {describe_node(node)}"
    operator = OPERATORS.get(node.op_type) if node.domain in DOMAINS else None
    if operator is None:
        known = ", ".join(sorted(OPERATORS))
        raise PortError(f"{where}: unsupported operator; expected one of {known}")
    try:
        call = Call(graph, node, operator.attributes)
        if tensor.pads != NO_PADS and node.op_type not in PADDED:
            raise Unsupported("expected a convolution or a pooling after a Pad")
        left = operator.read(call, tensor, network)
    except Unsupported as error:
        raise PortError(f"{where}: {error}") from error
    for text in call.rounded:
        network.alter(text)
    return replace(left, name=node.output[0])


def finish_network(graph: Graph, ends: list[End]) -> Builder:
    """Return the complete network.

    The heads are joined into one layer, and the operators after the Concat of the heads are read.
    """
    network = join_ends(ends, graph.source)
    nodes = [end.concat for end in ends if end.concat is not None]
    if nodes:
        ends = read_from(graph, join_outputs(graph, ends, nodes[0]), network)
        if len(ends) > 1 or ends[0].concat is not None or ends[0].network.shared is not None:
            raise PortError(
                f"{graph.source}: {describe_node(nodes[0])}: expected no branch and no Concat after this node"
            )
        network = ends[0].network
    for end in ends:
        output = f"the output {end.tensor.name!r}"
        if not end.tensor.keeps_batch:
            raise PortError(
                f"{graph.source}: {output}: expected the batch as its first axis, found the axes "
                f"{end.tensor.layout}"
            )
        if end.tensor.pads != NO_PADS:
            raise PortError(
                f"{graph.source}: expected a convolution or a pooling after a Pad, found {output}"
            )
    return network


def join_outputs(graph: Graph, ends: list[End], node: Any) -> Tensor:
    """Return the output of the Concat of all heads."""
    where = f"{graph.source}: {describe_node(node)}"
    names = [end.tensor.name for end in ends]
    if any(end.concat is not node for end in ends) or names != list(node.input):
        raise PortError(f"{where}: expected the inputs {names} (one per head), found {list(node.input)}")
    tensor = ends[0].tensor
    axis = Call(graph, node, ("axis",)).attributes.get("axis", 0)
    along = tensor.axis(axis)
    if along != "c" or any(end.tensor.axes != tensor.axes or end.tensor.pads != NO_PADS for end in ends):
        layouts = ", ".join(end.tensor.layout for end in ends)
        raise PortError(
            f"{where}: expected a Concat of the heads along their channel axis, found axis {axis} "
            f"of {layouts}"
        )
    channels = sum(end.tensor.sizes["c"].number for end in ends)
    return replace(tensor, name=node.output[0], sizes={**tensor.sizes, "c": Extent(channels)})


def join_ends(ends: list[End], source: str) -> Builder:
    """Join the heads into one layer, in the order of their Concat.

    If there is no Concat, the order is class, box, landmarks.
    """
    first = ends[0]
    if len(ends) == 1:
        return first.network
    concat = ends[0].concat
    if concat is not None:
        order = list(concat.input)
        ends.sort(key=lambda end: order.index(end.tensor.name) if end.tensor.name in order else len(order))
    own = [layer for end in ends for layer in end.network.head]
    heads = [layer for layer in own if isinstance(layer, (FoundConv, FoundFullyConnected))]
    if len(heads) != len(ends) or len(own) != len(ends):
        raise PortError(
            f"{source}: expected one weighted layer in each of the {len(ends)} heads, found {len(own)} "
            "layers in total"
        )
    joined = join_heads(heads) if concat is None else [functools.reduce(join_layers, heads)]
    return first.network.joined(joined, [end.network for end in ends])


# Operators that may follow the last layer. Each of their output values depends on only one input value. For a
# Softmax, it depends on the input values of one item of the batch.
ENDING = {"Concat", "Flatten", "Gather", "Identity", "LogSoftmax", "Slice", "Softmax", "Split", "Squeeze"}
ENDING |= {"Transpose", "Unsqueeze"}


def read_up_to(path: str | Path, last: str) -> FoundNetwork:
    """Read the network of an ONNX file up to the tensor `last`.

    The field `graph` of the result contains the complete graph.

    Raises the errors of `read_onnx`. The nodes after `last` must have operators in ENDING, and each of their
    inputs must be constant or depend on `last`. Otherwise, raises PortError.
    """
    onnx = import_extra("onnx", "mtcnn-cpp[onnx]", "reading ONNX")
    model, source = read_model(path), str(path)
    nodes = list(model.graph.node)
    constants = {value.name for value in model.graph.initializer}
    constants |= {node.output[0] for node in nodes if node.op_type == "Constant"}
    behind = {last}
    for node in nodes:
        if behind.isdisjoint(node.input):
            continue
        others = {name for name in node.input if name} - behind - constants
        if node.domain not in DOMAINS or node.op_type not in ENDING or others:
            raise PortError(
                f"{source}: {describe_node(node)}: after {last!r}, expected one of "
                f"{', '.join(sorted(ENDING))}, with constants as all other inputs"
            )
        behind.update(node.output)
    front = onnx.ModelProto()
    front.CopyFrom(model)
    del front.graph.node[:], front.graph.output[:]
    front.graph.node.extend(_ancestors(nodes, last))
    front.graph.output.append(onnx.ValueInfoProto(name=last))
    found = found_from_onnx(front, source)
    assert found.graph is not None
    return replace(found, graph=replace(found.graph, model=model))


def _ancestors(nodes: list[Any], last: str) -> list[Any]:
    """Return the nodes on which `last` depends, in execution order."""
    needed, result = {last}, []
    for node in reversed(nodes):
        if not needed.isdisjoint(node.output):
            needed.update(node.input)
            result.append(node)
    return result[::-1]
