"""One node as an operator sees it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import Unsupported
from ..found import NO_PADS, Pads
from .graph import Graph


class Call:
    """A node's attributes and its constant inputs. `name`: the node's, or else its output's."""

    def __init__(self, graph: Graph, node: Any) -> None:
        self._constants = graph.constants
        self._inputs = list(node.input)
        self.operator = str(node.op_type)
        self.name = str(node.name or node.output[0])
        self.attributes = graph.attributes(node)

    def known(self, index: int) -> np.ndarray | None:
        """Input `index` where it is constant; None where it is computed or not given."""
        return self._constants.get(self._inputs[index]) if index < len(self._inputs) else None

    def constant(self, index: int) -> np.ndarray | None:
        """Input `index`, None where it is not given; Unsupported where it is computed."""
        if index >= len(self._inputs) or not self._inputs[index]:
            return None
        name = self._inputs[index]
        if name not in self._constants:
            raise Unsupported(f"expected its input {index} to be constant, found {name!r}, which is computed")
        return self._constants[name]

    def other(self, tensor: str) -> tuple[np.ndarray, bool]:
        """The constant that a node of two inputs has beside `tensor`, and whether it comes first."""
        first = self._inputs[1] == tensor
        value = self.constant(0 if first else 1)
        if value is None:
            raise Unsupported("expected two inputs, one of them constant")
        return value, first

    def pair(self, attribute: str, default: tuple[int, ...] = ()) -> tuple[int, int]:
        """An attribute of two sizes, along the tensor's rows and columns."""
        values = self.attributes.get(attribute, default)
        if len(values) != 2:
            raise Unsupported(f"expected two sizes (y, x), found {list(values)}")
        return int(values[0]), int(values[1])

    @property
    def pads(self) -> Pads:
        """The attribute `pads`: padding before the rows, before the columns, after the rows, after the
        columns."""
        values = list(self.attributes.get("pads", NO_PADS))
        if len(values) != 4:
            raise Unsupported(f"expected padding before and after rows and columns, found {values}")
        return values[0], values[1], values[2], values[3]

    @property
    def same(self) -> str:
        """The attribute `auto_pad` where it is SAME_UPPER or SAME_LOWER, else empty."""
        value: str = self.attributes.get("auto_pad", b"").decode()
        return value if value.startswith("SAME") else ""

    @property
    def dilated(self) -> bool:
        """Whether a window leaves values out."""
        return set(self.attributes.get("dilations", [1])) != {1}
