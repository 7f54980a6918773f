"""The shapes that a graph computes from sizes of its tensors, for a Reshape.

`evaluate_shape` follows that computation and accepts only operators that copy, pick or multiply sizes. So no
size can decide anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..errors import Unsupported
from .extent import Extent
from .graph import DOMAINS, Graph


def evaluate_shape(graph: Graph, name: str) -> np.ndarray:
    """The sizes that the tensor `name` holds, as an array of Extent.

    Raises Unsupported for any operator that could make the values depend on a size in another way.
    """
    if name in graph.constants:
        values = graph.constants[name]
        if values.dtype.kind not in "iu" or values.size > 64:
            raise Unsupported(f"expected a list of sizes, found {name!r} of {values.dtype} {values.shape}")
        return as_extents([Extent(int(value)) for value in values.ravel()]).reshape(values.shape)
    node = graph.makers.get(name)
    if node is None:
        raise Unsupported(f"expected a shape made of constants and sizes, found {name!r}")
    attributes = graph.attributes(node)
    known = node.domain in DOMAINS
    if known and node.op_type == "Shape":
        shape = graph.shapes.get(node.input[0])
        if shape is None:
            raise Unsupported(f"its shape depends on the size of {node.input[0]!r}, which was not read")
        return as_extents(shape[attributes.get("start", 0) : attributes.get("end")])
    operator = OPERATORS.get(node.op_type) if known else None
    if operator is None:
        raise Unsupported(
            f"its shape depends on sizes through {node.op_type} ({name!r}); "
            f"expected only Shape, {', '.join(sorted(OPERATORS))}"
        )
    inputs = [evaluate_shape(graph, one) for one in node.input if one]
    return operator(inputs, attributes)


def as_extents(extents: Iterable[Extent]) -> np.ndarray:
    """A one-dimensional array of objects."""
    items = list(extents)
    result = np.empty(len(items), object)
    result[:] = items
    return result


def whole_numbers(values: np.ndarray) -> list[int]:
    if not all(value.is_known for value in values.ravel()):
        raise Unsupported("its shape picks sizes by an index that is computed")
    return [value.number for value in values.ravel()]


def gather(inputs: list[np.ndarray], attributes: dict[str, Any]) -> np.ndarray:
    data, indices = inputs
    picked = np.array(whole_numbers(indices), np.int64).reshape(indices.shape)
    if attributes.get("axis", 0) or data.ndim != 1:
        raise Unsupported("expected sizes picked from one list")
    return np.asarray(data[picked], object)


def slice_list(inputs: list[np.ndarray], attributes: dict[str, Any]) -> np.ndarray:
    if len(inputs) < 3:
        raise Unsupported("expected a Slice with its limits as inputs (version 10 or newer)")
    data = inputs[0]
    starts, ends, *others = [np.array(whole_numbers(one), np.int64) for one in inputs[1:]]
    step = int(others[1].flat[0]) if len(others) > 1 else 1
    if data.ndim != 1 or starts.size != 1 or (others and any(others[0])):
        raise Unsupported("expected a slice of one list of sizes")
    return data[int(starts.flat[0]) : int(ends.flat[0]) : step]


def concat(inputs: list[np.ndarray], attributes: dict[str, Any]) -> np.ndarray:
    if attributes.get("axis") not in (0, -1) or any(one.ndim != 1 for one in inputs):
        raise Unsupported("expected lists of sizes, joined")
    return np.concatenate(inputs)


def one_dimension(inputs: list[np.ndarray], attributes: dict[str, Any]) -> np.ndarray:
    """Unsqueeze of one size."""
    if inputs[0].ndim:
        raise Unsupported("expected one size, to be made a list")
    return inputs[0].reshape(1)


def squeeze(inputs: list[np.ndarray], attributes: dict[str, Any]) -> np.ndarray:
    if inputs[0].size != 1:
        raise Unsupported("expected one size")
    return inputs[0].reshape(())


def cast(inputs: list[np.ndarray], attributes: dict[str, Any]) -> np.ndarray:
    if attributes.get("to") not in (6, 7):  # int32, int64
        raise Unsupported("expected sizes as whole numbers of 32 or 64 bits")
    return inputs[0]


def multiply(inputs: list[np.ndarray], attributes: dict[str, Any]) -> np.ndarray:
    return np.asarray(inputs[0] * inputs[1], object)


def identity(inputs: list[np.ndarray], attributes: dict[str, Any]) -> np.ndarray:
    return inputs[0]


OPERATORS: dict[str, Callable[[list[np.ndarray], dict[str, Any]], np.ndarray]] = {
    "Gather": gather,
    "Slice": slice_list,
    "Concat": concat,
    "Unsqueeze": one_dimension,
    "Squeeze": squeeze,
    "Cast": cast,
    "Mul": multiply,
    "Identity": identity,
}
