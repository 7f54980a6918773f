"""What an ONNX graph holds: its constants, and which nodes a tensor enters."""

from __future__ import annotations

from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import PortError, Unsupported, need, words
from ..limits import Budget
from .extent import Extent
from .fold import STRING, folded_size

if TYPE_CHECKING:
    import onnx

SIZES = {"Shape", "Size"}  # operators that look at a tensor's size, not at its values
# Bytes that constant nodes may make: so many, and so many for each byte of constants in the file.
FOLDED_LIMIT, FOLDED_SHARE = 1 << 26, 32
DOMAINS = ("", "ai.onnx")  # both name ONNX's own operators
OLDEST = 7  # version of ONNX's operators
MOST_NODES = 2_000  # the largest of the three networks has 14 layers


class Graph:
    """A graph whose constant nodes are computed already, so that weights may be transposed, cast or
    dequantised on their way.

    `constants`: every tensor that does not depend on the picture. `users`: the nodes that a tensor enters,
    without those that deal with sizes only. `shapes`: of the tensors that were read so far; the reader adds
    them. Raises PortError for a cycle, a graph within a graph, or a node
    on constants that cannot be computed or would make too much; MissingExtra without onnx.
    """

    def __init__(self, model: onnx.ModelProto, source: str) -> None:
        self._onnx = need("onnx", "'mtcnn-cpp[onnx]'", "reading ONNX")
        self._evaluator = need("onnx.reference", "'mtcnn-cpp[onnx]'", "reading ONNX").ReferenceEvaluator
        self._budget = Budget()
        self.source = source
        self.version = version(model, source)
        self.outputs = [value.name for value in model.graph.output]
        if model.graph.sparse_initializer:
            raise PortError(f"{source}: expected dense constants, found sparse ones")
        self.constants: dict[str, np.ndarray] = {}
        for tensor in model.graph.initializer:
            if tensor.name in self.constants:
                raise PortError(f"{source}: expected one constant {tensor.name!r}, found two")
            self.constants[tensor.name] = self._values(tensor)
        held = sum(array.nbytes for array in self.constants.values())
        self._made = Budget(FOLDED_LIMIT + FOLDED_SHARE * held)
        self.inputs = [value for value in model.graph.input if value.name not in self.constants]
        self.nodes = self._in_order(list(model.graph.node))
        self.shapes: dict[str, tuple[Extent, ...]] = {}
        self.makers = {name: node for node in self.nodes for name in node.output if name}
        self.users: dict[str, list[Any]] = defaultdict(list)
        self._sort_nodes()

    def _values(self, tensor: Any) -> np.ndarray:
        """A constant that the file holds."""
        if tensor.data_type == STRING:
            raise PortError(f"{self.source}: constant {tensor.name!r}: expected numbers, found texts")
        values = np.asarray(self._onnx.numpy_helper.to_array(tensor))
        self._budget.spend(values.nbytes, f"{tensor.name!r} of {values.nbytes}")
        return values

    def _in_order(self, nodes: list[Any]) -> list[Any]:
        """The nodes, each behind those whose outputs it takes, else as they are; each tensor comes from one
        place. PortError where that cannot be."""
        if len(nodes) > MOST_NODES:
            raise PortError(f"{self.source}: expected at most {MOST_NODES} nodes, found {len(nodes)}")
        makers: dict[str, int] = dict.fromkeys(self.constants, -1)
        makers |= {value.name: -1 for value in self.inputs}
        for index, node in enumerate(nodes):
            self._look_at(node)
            for name in filter(None, node.output):
                if name in makers:
                    raise PortError(f"{self.source}: {title(node)}: a second origin of the tensor {name!r}")
                makers[name] = index
        before = {
            index: {makers[name] for name in node.input if makers.get(name, -1) >= 0}
            for index, node in enumerate(nodes)
        }
        if all(max(needed, default=-1) < index for index, needed in before.items()):
            return nodes
        try:
            return [nodes[index] for index in TopologicalSorter(before).static_order()]
        except CycleError as error:
            node = nodes[error.args[1][0]]
            raise PortError(f"{self.source}: {title(node)}: it takes, in the end, its own output") from error

    def _look_at(self, node: Any) -> None:
        """PortError for a node that no reader can do anything with."""
        if not node.output:
            raise PortError(f"{self.source}: node {node.name!r} ({node.op_type}): expected an output")
        names = [attribute.name for attribute in node.attribute]
        if len(set(names)) < len(names):
            raise PortError(f"{self.source}: {title(node)}: expected each attribute once, found {names}")
        for attribute in node.attribute:
            if attribute.HasField("g") or attribute.graphs:
                raise PortError(f"{self.source}: {title(node)}: a graph within a graph is not read")

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
        inputs = {name: values[name] for name in node.input if name}
        try:
            if node.domain not in DOMAINS:
                raise Unsupported("it works on constants, and is not ONNX's own")
            size = folded_size(node.op_type, [*inputs.values()], self.attributes(node))
            self._made.spend(size, f"one that makes {size} of constants")
            results = [np.asarray(result) for result in self._evaluator(node).run(None, inputs)]
            if any(result.dtype.kind in "OSU" for result in results):
                raise Unsupported("expected numbers, found texts")
        except Exception as error:  # whatever the operator's own code raises
            told = str(error) if isinstance(error, Unsupported) else words(error)
            raise PortError(f"{self.source}: {title(node)}: cannot be computed ({told})") from error
        values.update(zip(node.output, results, strict=True))

    def attributes(self, node: Any) -> dict[str, Any]:
        """A node's attributes as Python values."""
        return {item.name: self._onnx.helper.get_attribute_value(item) for item in node.attribute}


def version(model: onnx.ModelProto, source: str) -> int:
    """The version of ONNX's operators. PortError for one before 7, whose operators have other rules, and for
    a file that defines operators under ONNX's own names."""
    versions = {int(one.version) for one in model.opset_import if one.domain in DOMAINS}
    if len(versions) != 1 or min(versions) < OLDEST:
        found = ", ".join(map(str, sorted(versions))) or "none"
        raise PortError(
            f"{source}: expected operators of one version, {OLDEST} or newer, found {found}; "
            "onnx.version_converter converts older graphs"
        )
    if any(function.domain in DOMAINS for function in model.functions):
        raise PortError(f"{source}: it defines operators under the names of ONNX's own")
    return versions.pop()


def title(node: Any) -> str:
    """A node in an error's words: its name and its operator."""
    domain = f"{node.domain}." if node.domain else ""
    return f"node {node.name or node.output[0]!r} ({domain}{node.op_type})"
