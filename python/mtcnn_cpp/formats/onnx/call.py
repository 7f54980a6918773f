"""One node as an operator sees it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...types import FloatArray
from ..errors import Unsupported
from ..found import NO_PADS, Pads
from .extent import Extent
from .graph import Graph
from .shapes import evaluate_shape

# The attributes that change what an operator computes, all of which its function reads. A node with another
# one is not read.
ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "Conv": ("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"),
    "MaxPool": ("auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads", "storage_order", "strides"),
    "LeakyRelu": ("alpha",),
    "Softmax": ("axis",),
    "LogSoftmax": ("axis",),
    "Gemm": ("alpha", "beta", "transA", "transB"),
    "Flatten": ("axis",),
    "Reshape": ("allowzero",),
    "Squeeze": ("axes",),
    "Transpose": ("perm",),
    "Pad": ("mode", "pads", "value"),
    "Gather": ("axis",),
    "Slice": ("axes", "ends", "starts"),
    "Dropout": ("ratio", "seed"),
    "Cast": ("saturate", "to"),
    "QuantizeLinear": ("axis", "block_size", "output_dtype", "precision", "saturate"),
    "DequantizeLinear": ("axis", "block_size", "output_dtype"),
    "Concat": ("axis",),
}


class Call:
    """A node's attributes and its constant inputs. `name`: the node's, or else its output's. Unsupported for
    an attribute that the operator does not have."""

    def __init__(self, graph: Graph, node: Any) -> None:
        self._graph = graph
        self._inputs = list(node.input)
        self.rounded: list[str] = []
        self.operator = str(node.op_type)
        self.name = str(node.name or node.output[0])
        self.version = graph.version
        self.attributes = graph.attributes(node)
        unknown = sorted(set(self.attributes) - set(ATTRIBUTES.get(self.operator, ())))
        if unknown:
            raise Unsupported(f"unknown attribute {unknown[0]!r}")

    def constant(self, index: int) -> np.ndarray | None:
        """Input `index`, None where it is not given; Unsupported where it is computed."""
        if index >= len(self._inputs) or not self._inputs[index]:
            return None
        name = self._inputs[index]
        if name not in self._graph.constants:
            raise Unsupported(f"expected its input {index} to be constant, found {name!r}, which is computed")
        return self._graph.constants[name]

    def numbers(self, index: int) -> FloatArray | None:
        """Input `index` as float32; None where it is not given. `rounded` says where that changes a
        number."""
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

    def other(self, tensor: str) -> tuple[FloatArray, bool]:
        """The constant that a node of two inputs has beside `tensor`, and whether it comes first."""
        first = self._inputs[1] == tensor
        value = self.numbers(0 if first else 1)
        if value is None:
            raise Unsupported("expected two inputs, one of them constant")
        return value, first

    def shape(self, index: int) -> list[Extent]:
        """The sizes that input `index` holds; Unsupported where they are no list of sizes."""
        values = evaluate_shape(self._graph, self._inputs[index])
        if values.ndim != 1:
            raise Unsupported("expected a list of sizes")
        return list(values)

    def pair(self, attribute: str, default: tuple[int, ...] = ()) -> tuple[int, int]:
        """An attribute of two sizes, along the tensor's rows and columns."""
        values = self.attributes.get(attribute, default)
        if len(values) != 2:
            raise Unsupported(f"expected two sizes (y, x), found {list(values)}")
        return int(values[0]), int(values[1])

    @property
    def pads(self) -> Pads:
        """The attribute `pads`: padding before the rows, before the columns, after the rows, after the
        columns. None under auto_pad VALID."""
        values = list(self.attributes.get("pads", NO_PADS))
        if len(values) != 4 or min(values) < 0:
            raise Unsupported(f"expected padding before and after rows and columns, found {values}")
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
        """The attribute `auto_pad` where it is SAME_UPPER or SAME_LOWER, else empty."""
        return self.auto_pad if self.auto_pad.startswith("SAME") else ""

    @property
    def dilated(self) -> bool:
        """Whether a window leaves values out."""
        return set(self.attributes.get("dilations", [1])) != {1}
