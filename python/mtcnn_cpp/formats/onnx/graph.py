"""Reading an ONNX graph as a found network: one operator after the other, from the input to the heads.

What is constant is computed first, so that weights may be transposed, cast or dequantised on their way. Of
the maps only the order of axes is followed, so that a graph that works channels last, or on pictures on
their side, is read for what it computes.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import PortError, need
from ..found import FoundConv, FoundDense, FoundNetwork
from ..tables import join, join_heads
from .file import read_model
from .operators import OPERATORS
from .region import activation_of_region
from .state import State, Unsupported

if TYPE_CHECKING:
    import onnx


def read_onnx(path: str | Path) -> FoundNetwork:
    """The network of an ONNX file. Raises PortError naming the node that cannot be read, MissingExtra
    without onnx."""
    return found_from_onnx(read_model(path), str(path))


def found_from_onnx(model: onnx.ModelProto, source: str) -> FoundNetwork:
    graph = Graph(model, source)
    state = graph.start()
    heads = sorted(graph.follow(state), key=lambda head: head.slot)
    first = heads[0]
    layers = first.layers
    if len(heads) > 1:
        ends = [layer for head in heads for layer in head.layers[head.shared :]]
        tails = [layer for layer in ends if isinstance(layer, (FoundConv, FoundDense))]
        if len(tails) != len(heads):
            raise PortError(
                f"{source}: expected {len(heads)} heads of one weighted layer each, found {len(ends)} layers"
            )
        # Several outputs have no order: class, box, landmarks. Joined by the graph itself they keep theirs.
        joined = join_heads(tails) if first.slot < 0 else [functools.reduce(join, tails)]
        layers = [*layers[: first.shared], *joined]
    if not layers:
        raise PortError(f"{source}: expected convolutions and dense layers, found none")
    notes = tuple(dict.fromkeys(note for head in heads for note in head.notes))
    return FoundNetwork(source, tuple(layers), True, first.scale, first.shift, notes)


SHAPES = {"Shape", "Size"}


class Graph:
    """A graph's constants, and who uses which tensor."""

    def __init__(self, model: onnx.ModelProto, source: str) -> None:
        onnx = need("onnx", "'mtcnn-cpp[onnx]'", "reading ONNX")
        self.reference = need("onnx.reference", "'mtcnn-cpp[onnx]'", "reading ONNX")
        self.onnx, self.model, self.source = onnx, model, source
        self.constants: dict[str, np.ndarray] = {
            tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer
        }
        self.users: dict[str, list[Any]] = defaultdict(list)
        self.shapes: set[str] = set()  # tensors that say sizes, not values
        self.outputs = [value.name for value in model.graph.output]
        for node in model.graph.node:
            inputs = [name for name in node.input if name]
            if all(name in self.constants for name in inputs):
                self.fold(node)
            elif node.op_type in SHAPES or all(
                name in self.constants or name in self.shapes for name in inputs
            ):
                self.shapes.update(node.output)
            else:
                for name in inputs:
                    self.users[name].append(node)

    def fold(self, node: Any) -> None:
        """Compute a node whose inputs are constant."""
        self.compute(node, self.constants)

    def compute(self, node: Any, values: dict[str, np.ndarray]) -> None:
        """Add a node's outputs to `values`, where its inputs are."""
        try:
            inputs = {name: values[name] for name in node.input if name}
            results = self.reference.ReferenceEvaluator(node).run(None, inputs)
        except Exception as error:  # whatever the operator's own code raises
            raise PortError(f"{self.source}: {title(node)}: cannot be computed ({error})") from error
        values.update(zip(node.output, results, strict=True))

    def evaluate(self, nodes: list[Any], inputs: dict[str, np.ndarray], wanted: str) -> np.ndarray:
        """One tensor that these nodes, in order, compute."""
        values = self.constants | inputs
        for node in nodes:
            self.compute(node, values)
        return values[wanted]

    def start(self) -> State:
        entries = [value for value in self.model.graph.input if value.name not in self.constants]
        if len(entries) != 1:
            raise PortError(f"{self.source}: expected one input, found {len(entries)}")
        sizes = [dimension.dim_value for dimension in entries[0].type.tensor_type.shape.dim]
        last = len(sizes) == 4 and sizes[3] == 3 and sizes[1] != 3
        return State(entries[0].name, "nyxc" if last else "ncyx")

    def follow(self, state: State) -> list[State]:
        """Walk on to the ends: one, or one a head."""
        while True:
            users = self.users.get(state.tensor, [])
            if not users:
                return [state]
            if len(users) > 1:
                try:
                    region = activation_of_region(self, state)
                except Unsupported as error:
                    raise PortError(f"{self.source}: after {state.tensor!r}: {error}") from error
                if region is None:
                    return self.branch(state, users)
                state = region
                continue
            node = users[0]
            if node.op_type == "Concat":
                state.slot = list(node.input).index(state.tensor)
                return [state]
            state = self.step(node, state)

    def branch(self, state: State, users: list[Any]) -> list[State]:
        if state.shared is not None:
            raise PortError(f"{self.source}: {title(users[0])}: expected heads that do not divide again")
        state.shared = len(state.layers)
        return [
            end
            for node in users
            for end in self.follow(self.step(node, state.copy()))
            if len(end.layers) > (end.shared or 0)
        ]

    def step(self, node: Any, state: State) -> State:
        where = f"{self.source}: {title(node)}"
        operator = OPERATORS.get(node.op_type) if node.domain in ("", "ai.onnx") else None
        if operator is None:
            known = ", ".join(sorted(OPERATORS))
            raise PortError(f"{where}: unsupported operator; expected one of {known}")
        attributes = {item.name: self.onnx.helper.get_attribute_value(item) for item in node.attribute}
        try:
            operator(Call(self, node, attributes), state)
        except Unsupported as error:
            raise PortError(f"{where}: {error}") from error
        state.tensor = node.output[0]
        return state


class Call:
    """One node as an operator sees it: its attributes and its constant inputs."""

    def __init__(self, graph: Graph, node: Any, attributes: dict[str, Any]) -> None:
        self.node, self.attributes, self.graph = node, attributes, graph
        self.name = str(node.name or node.output[0])

    def constant(self, index: int) -> np.ndarray | None:
        """Input `index`, None where the node has none; Unsupported where it is not constant."""
        if index >= len(self.node.input) or not self.node.input[index]:
            return None
        name = self.node.input[index]
        if name not in self.graph.constants:
            raise Unsupported(f"expected its input {index} to be constant, found {name!r}, which is computed")
        return self.graph.constants[name]

    def other(self, tensor: str) -> tuple[np.ndarray, bool]:
        """The constant of a node with two inputs, and whether it comes first."""
        first = self.node.input[1] == tensor
        value = self.constant(0 if first else 1)
        if value is None:
            raise Unsupported("expected two inputs, one of them constant")
        return value, first


def title(node: Any) -> str:
    domain = f"{node.domain}." if node.domain else ""
    return f"node {node.name or node.output[0]!r} ({domain}{node.op_type})"
