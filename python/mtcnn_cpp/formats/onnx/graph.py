"""What an ONNX graph holds: its constants, and which nodes a tensor enters."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import PortError, need

if TYPE_CHECKING:
    import onnx

SIZES = {"Shape", "Size"}  # operators that look at a tensor's size, not at its values


class Graph:
    """A graph whose constant nodes are computed already, so that weights may be transposed, cast or
    dequantised on their way.

    `constants`: every tensor that does not depend on the picture. `users`: the nodes that a tensor enters,
    without those that deal with sizes only. Raises PortError naming a constant node that cannot be computed,
    MissingExtra without onnx.
    """

    def __init__(self, model: onnx.ModelProto, source: str) -> None:
        self._onnx = need("onnx", "'mtcnn-cpp[onnx]'", "reading ONNX")
        self._evaluator = need("onnx.reference", "'mtcnn-cpp[onnx]'", "reading ONNX").ReferenceEvaluator
        self.source = source
        self.nodes = list(model.graph.node)
        self.outputs = [value.name for value in model.graph.output]
        self.constants: dict[str, np.ndarray] = {
            tensor.name: self._onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer
        }
        self.inputs = [value for value in model.graph.input if value.name not in self.constants]
        self.users: dict[str, list[Any]] = defaultdict(list)
        self._sort_nodes()

    def _sort_nodes(self) -> None:
        """Compute what is constant; note who uses the other tensors."""
        sizes: set[str] = set()
        for node in self.nodes:
            inputs = [name for name in node.input if name]
            if all(name in self.constants for name in inputs):
                self._compute(node, self.constants)
            elif node.op_type in SIZES or all(name in self.constants or name in sizes for name in inputs):
                sizes.update(node.output)
            else:
                for name in inputs:
                    self.users[name].append(node)

    def _compute(self, node: Any, values: dict[str, np.ndarray]) -> None:
        """Add a node's outputs to `values`, which hold its inputs."""
        try:
            inputs = {name: values[name] for name in node.input if name}
            results = self._evaluator(node).run(None, inputs)
        except Exception as error:  # whatever the operator's own code raises
            raise PortError(f"{self.source}: {title(node)}: cannot be computed ({error})") from error
        values.update(zip(node.output, results, strict=True))

    def evaluate(self, nodes: list[Any], inputs: dict[str, np.ndarray], wanted: str) -> np.ndarray:
        """The tensor `wanted`, computed by these nodes in their order."""
        values = self.constants | inputs
        for node in nodes:
            self._compute(node, values)
        return values[wanted]

    def attributes(self, node: Any) -> dict[str, Any]:
        """A node's attributes as Python values."""
        return {item.name: self._onnx.helper.get_attribute_value(item) for item in node.attribute}


def title(node: Any) -> str:
    """A node in an error's words: its name and its operator."""
    domain = f"{node.domain}." if node.domain else ""
    return f"node {node.name or node.output[0]!r} ({domain}{node.op_type})"
