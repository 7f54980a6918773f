"""Reading a graph up to its last layer, when the rest only moves the outputs or applies a Softmax to them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import PortError, need
from ..found import FoundNetwork
from .file import read_model
from .graph import DOMAINS, title
from .read import found_from_onnx

# Operators that may follow the last layer: what they do to a value depends on no other value but, of a
# Softmax, those of the same item.
ENDING = {"Concat", "Flatten", "Gather", "Identity", "LogSoftmax", "Slice", "Softmax", "Split", "Squeeze"}
ENDING |= {"Transpose", "Unsqueeze"}


def read_up_to(path: str | Path, last: str) -> FoundNetwork:
    """Return the network of an ONNX file up to the tensor `last`; its `graph` is the whole graph.

    Raises:
        PortError: As `read_onnx`, and for a node behind `last` that is none of `ENDING` with constants.
    """
    onnx = need("onnx", "'mtcnn-cpp[onnx]'", "reading ONNX")
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
                f"{source}: {title(node)}: after {last!r} expected only {', '.join(sorted(ENDING))}, with "
                "constants"
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
    """The nodes that `last` is computed from, in their order."""
    needed, result = {last}, []
    for node in reversed(nodes):
        if not needed.isdisjoint(node.output):
            needed.update(node.input)
            result.append(node)
    return result[::-1]
