"""The attributes, constants and shapes that a node of a graph uses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ...types import FloatArray
from ..errors import Unsupported
from ..found import NO_PADS, Pads
from .graph import DOMAINS, Graph
from .tensor import Extent


class Call:
    """The attributes and the constant inputs of a node.

    `known` contains the names of the attributes that the caller reads. Raises Unsupported if the node has
    another attribute, because this attribute could change the result.

    Attributes:
        name: Name of the node. If the node has no name, the name of its output.
        rounded: Descriptions of inputs that were rounded to float32.
    """

    def __init__(self, graph: Graph, node: Any, known: Iterable[str]) -> None:
        self._graph = graph
        self._inputs = list(node.input)
        self.rounded: list[str] = []
        self.operator = str(node.op_type)
        self.name = str(node.name or node.output[0])
        self.version = graph.version
        self.attributes = graph.attributes(node)
        unknown = sorted(set(self.attributes).difference(known))
        if unknown:
            raise Unsupported(f"unknown attribute {unknown[0]!r}")

    def constant(self, index: int) -> np.ndarray | None:
        """Return input `index`, or None if there is none. Raises Unsupported if the input is not constant."""
        if index >= len(self._inputs) or not self._inputs[index]:
            return None
        name = self._inputs[index]
        if name not in self._graph.constants:
            raise Unsupported(
                f"expected its input {index} to be constant, found {name!r}, which depends on the image"
            )
        return self._graph.constants[name]

    def numbers(self, index: int) -> FloatArray | None:
        """Return input `index` as float32, or None if there is no such input.

        If this rounds a value, a description is added to `rounded`.
        """
        value = self.constant(index)
        if value is None:
            return None
        with np.errstate(over="ignore"):
            result = value.astype(np.float32)
        if value.dtype != np.float32 and not np.array_equal(
            result.astype(value.dtype), value, equal_nan=True
        ):
            self.rounded.append(f"{self.name}: its input {index} has {value.dtype} numbers, read as float32")
        return result

    def other_input(self, tensor: str) -> tuple[FloatArray, bool]:
        """Return the constant input of a node with two inputs, and whether the constant is input 0.

        `tensor` is the name of the input that is not constant.
        """
        first = self._inputs[1] == tensor
        value = self.numbers(0 if first else 1)
        if value is None:
            raise Unsupported("expected two inputs, one of them constant")
        return value, first

    def shape(self, index: int) -> list[Extent]:
        """Return input `index` as a list of sizes. Raises Unsupported if it is not a list of sizes."""
        values = evaluate_shape(self._graph, self._inputs[index])
        if values.ndim != 1:
            raise Unsupported(f"expected its shape as a list of sizes, found an array of rank {values.ndim}")
        return list(values)

    def pair(self, attribute: str, default: tuple[int, ...] = ()) -> tuple[int, int]:
        """Return an attribute that consists of two sizes (y, x)."""
        values = self.attributes.get(attribute, default)
        if len(values) != 2:
            raise Unsupported(f"expected two sizes (y, x), found {list(values)}")
        return int(values[0]), int(values[1])

    @property
    def pads(self) -> Pads:
        """The attribute `pads` (top, left, bottom, right). All four are 0 if auto_pad is VALID."""
        values = list(self.attributes.get("pads", NO_PADS))
        if len(values) != 4 or min(values) < 0:
            raise Unsupported(
                f"expected pads as four sizes of at least 0 (top, left, bottom, right), found {values}"
            )
        if self.auto_pad == "VALID":
            return NO_PADS
        return values[0], values[1], values[2], values[3]

    @property
    def auto_pad(self) -> str:
        value: str = self.attributes.get("auto_pad", b"NOTSET").decode()
        if value not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
            raise Unsupported(f"expected auto_pad NOTSET, VALID, SAME_UPPER or SAME_LOWER, found {value}")
        return value

    @property
    def same(self) -> str:
        """The attribute `auto_pad` if it is SAME_UPPER or SAME_LOWER, otherwise ""."""
        return self.auto_pad if self.auto_pad.startswith("SAME") else ""

    @property
    def dilated(self) -> bool:
        """Whether the windows are dilated. Dilated windows skip values."""
        return set(self.attributes.get("dilations", [1])) != {1}


def evaluate_shape(graph: Graph, name: str) -> np.ndarray:
    """Return the sizes that the tensor `name` contains, as an array of Extent.

    Raises Unsupported if an operator other than Shape and those in OPERATORS computes the tensor.
    """
    if name in graph.constants:
        values = graph.constants[name]
        if values.dtype.kind not in "iu" or values.size > 64:
            raise Unsupported(
                f"expected a list of sizes, found {name!r} with dtype {values.dtype} and shape {values.shape}"
            )
        return as_extents([Extent(int(value)) for value in values.ravel()]).reshape(values.shape)
    node = graph.producers.get(name)
    if node is None:
        raise Unsupported(f"expected a shape computed from constants and sizes, found {name!r}")
    attributes = graph.attributes(node)
    is_standard = node.domain in DOMAINS
    if is_standard and node.op_type == "Shape":
        shape = graph.shapes.get(node.input[0])
        if shape is None:
            raise Unsupported(f"its shape depends on the size of {node.input[0]!r}, which is unknown")
        return as_extents(shape[attributes.get("start", 0) : attributes.get("end")])
    operator = OPERATORS.get(node.op_type) if is_standard else None
    if operator is None:
        raise Unsupported(
            f"its shape is computed by {node.op_type} ({name!r}); expected only Shape, "
            f" {', '.join(sorted(OPERATORS))}"
        )
    inputs = [evaluate_shape(graph, one) for one in node.input if one]
    return operator(inputs, attributes)


def as_extents(extents: Iterable[Extent]) -> np.ndarray:
    """Return these sizes as a one-dimensional array of objects."""
    items = list(extents)
    result = np.empty(len(items), object)
    result[:] = items
    return result


def as_integers(values: np.ndarray) -> list[int]:
    if not all(value.is_known for value in values.ravel()):
        raise Unsupported("its shape selects sizes by an index that is not constant")
    return [value.number for value in values.ravel()]


def gather(inputs: list[np.ndarray], attributes: dict[str, Any]) -> np.ndarray:
    data, indices = inputs
    selected = np.array(as_integers(indices), np.int64).reshape(indices.shape)
    if attributes.get("axis", 0) or data.ndim != 1:
        raise Unsupported("its shape: expected a Gather along axis 0 of a list of sizes")
    return np.asarray(data[selected], object)


def slice_list(inputs: list[np.ndarray], attributes: dict[str, Any]) -> np.ndarray:
    if len(inputs) < 3:
        raise Unsupported(
            "its shape: expected a Slice with inputs for its starts and ends (opset 10 or later)"
        )
    data = inputs[0]
    starts, ends, *others = [np.array(as_integers(one), np.int64) for one in inputs[1:]]
    step = int(others[1].flat[0]) if len(others) > 1 else 1
    if data.ndim != 1 or starts.size != 1 or (others and any(others[0])):
        raise Unsupported("its shape: expected a Slice of one list of sizes")
    return data[int(starts.flat[0]) : int(ends.flat[0]) : step]


def concat(inputs: list[np.ndarray], attributes: dict[str, Any]) -> np.ndarray:
    if attributes.get("axis") not in (0, -1) or any(one.ndim != 1 for one in inputs):
        raise Unsupported("its shape: expected a Concat of lists of sizes")
    return np.concatenate(inputs)


def unsqueeze(inputs: list[np.ndarray], attributes: dict[str, Any]) -> np.ndarray:
    """Compute an Unsqueeze, which makes a list from one size."""
    if inputs[0].ndim:
        raise Unsupported("its shape: expected an Unsqueeze whose input is one number, the size of an axis")
    return inputs[0].reshape(1)


def squeeze(inputs: list[np.ndarray], attributes: dict[str, Any]) -> np.ndarray:
    if inputs[0].size != 1:
        raise Unsupported("its shape: expected a Squeeze of a list with one size")
    return inputs[0].reshape(())


def cast(inputs: list[np.ndarray], attributes: dict[str, Any]) -> np.ndarray:
    if attributes.get("to") not in (6, 7):  # int32, int64
        raise Unsupported("its shape: expected a Cast to int32 or int64")
    return inputs[0]


def multiply(inputs: list[np.ndarray], attributes: dict[str, Any]) -> np.ndarray:
    return np.asarray(inputs[0] * inputs[1], object)


def identity(inputs: list[np.ndarray], attributes: dict[str, Any]) -> np.ndarray:
    return inputs[0]


OPERATORS: dict[str, Callable[[list[np.ndarray], dict[str, Any]], np.ndarray]] = {
    "Gather": gather,
    "Slice": slice_list,
    "Concat": concat,
    "Unsqueeze": unsqueeze,
    "Squeeze": squeeze,
    "Cast": cast,
    "Mul": multiply,
    "Identity": identity,
}
