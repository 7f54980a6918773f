"""Which operators are computed on constants while a graph is read, and how much each of them makes.

Weights may be transposed, cast, dequantised or put together on their way to a layer. Operators that could
make much out of little are not among these (Tile, Range, Loop, …), or their result's size is told first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from ..errors import Unsupported

Values: TypeAlias = Sequence[np.ndarray]
Attributes: TypeAlias = Mapping[str, Any]
STRING, BYTES = 8, 8  # ONNX's number for texts; at most so many bytes a value


def same(values: Values, attributes: Attributes) -> int:
    return int(values[0].size)


def together(values: Values, attributes: Attributes) -> int:
    return math.prod(np.broadcast_shapes(*[value.shape for value in values]))


def joined(values: Values, attributes: Attributes) -> int:
    return sum(int(value.size) for value in values)


def cast(values: Values, attributes: Attributes) -> int:
    if attributes.get("to") == STRING:
        raise Unsupported("expected numbers, found texts")
    return same(values, attributes)


def gathered(values: Values, attributes: Attributes) -> int:
    data, indices = values
    return int(data.size // data.shape[attributes.get("axis", 0)] * indices.size)


def filled(values: Values, attributes: Attributes) -> int:
    return math.prod(positive(values[0]))


def expanded(values: Values, attributes: Attributes) -> int:
    return math.prod(np.broadcast_shapes(values[0].shape, positive(values[1])))


def scaled(values: Values, attributes: Attributes) -> int:
    data, scale = values[0], values[1]
    axis = attributes.get("axis", 1)
    if scale.size != 1 and (scale.ndim != 1 or data.ndim == 0 or scale.size != data.shape[axis]):
        raise Unsupported("expected one scale, or one for each slice along the axis")
    return int(data.size)


def product(values: Values, attributes: Attributes) -> int:
    left, right = values[0], values[1]
    if left.ndim != 2 or right.ndim != 2:
        raise Unsupported("expected a product of matrices")
    return int(left.shape[0] * right.shape[1] + left.size + right.size)


def none(values: Values, attributes: Attributes) -> int:
    return 0


def positive(shape: np.ndarray) -> tuple[int, ...]:
    """The sizes that a constant states."""
    sizes = tuple(int(size) for size in shape.ravel()[:9])
    if shape.size > 8 or any(size < 0 for size in sizes):
        raise Unsupported(f"expected a shape, found {list(sizes)}")
    return sizes


FOLDED: dict[str, Callable[[Values, Attributes], int]] = {
    **dict.fromkeys(
        ("Identity", "Dropout", "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Slice"), same
    ),
    **dict.fromkeys(("Neg", "Abs", "Sqrt", "Reciprocal", "Exp", "Log", "Floor", "Ceil", "Round"), same),
    **dict.fromkeys(("Relu", "LeakyRelu", "Sigmoid", "Tanh"), same),
    **dict.fromkeys(("Add", "Sub", "Mul", "Div", "Pow", "Min", "Max", "PRelu", "Clip", "Where"), together),
    **dict.fromkeys(("Equal", "Less", "Greater"), together),
    **dict.fromkeys(("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd"), same),
    **dict.fromkeys(("DequantizeLinear", "QuantizeLinear"), scaled),
    **dict.fromkeys(("Shape", "Size", "Constant"), none),  # a Constant's values were in the file
    "Split": same,
    "MatMul": product,
    "Concat": joined,
    "Cast": cast,
    "Gather": gathered,
    "ConstantOfShape": filled,
    "Expand": expanded,
}


def folded_size(operator: str, values: Values, attributes: Attributes) -> int:
    """How many bytes an operator will make of these constants, at most. Unsupported for operators that are
    not computed on constants."""
    if operator not in FOLDED:
        raise Unsupported(f"it works on constants; expected one of {', '.join(sorted(FOLDED))}")
    return BYTES * FOLDED[operator](values, attributes)
