"""Recognition of a PReLU that consists of other operators.

These operators form a region of the graph. Let v be the input of the region. In each channel, each tensor of
the region is p * v for v >= 0, and q * v for v < 0. The results of the supported operators have the same
form, if every constant that is added to a tensor or compared with a tensor is 0. Therefore p and q completely
describe a tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import Unsupported
from ..found import FoundActivation
from .graph import DOMAINS, Graph, describe_node
from .tensor import Tensor

DoubleArray = npt.NDArray[np.float64]
ROUNDING = 2.0**-24  # relative error of one operation in float32
MAX_ERROR = 8 * ROUNDING  # accepted rounding error, relative to the larger of input and output
MAX_SLOPE, MIN_SLOPE = 2.0**30, 2.0**-60  # slopes in this range cause no overflow or underflow


@dataclass(frozen=True, eq=False)
class Piece:
    """A tensor as a function of v, the input of the region (see the docstring of this module).

    In each channel, the tensor is `right` * v for v >= 0, and `left` * v for v < 0. `lost` is an upper bound
    of the rounding error in float32, relative to v.
    """

    right: DoubleArray
    left: DoubleArray
    lost: DoubleArray


def find_prelu(graph: Graph, tensor: Tensor) -> FoundActivation | None:
    """Return a PReLU that consists of several operators, such as relu(v) - slope * relu(-v).

    The input of the PReLU is `tensor`. The name of the PReLU is the name of its output tensor. The region
    consists of all nodes with operators in OPERATORS that depend only on `tensor` and on constants. Returns
    None if there is no such node, or if `tensor` or more than one output of the region is used outside the
    region. Raises Unsupported if the function cannot prove that the region is a PReLU.
    """
    inside, nodes, taken = {tensor.name}, [], set()
    for node in graph.nodes:
        dynamic = [name for name in node.input if name and name not in graph.constants]
        if node.op_type in OPERATORS and dynamic and all(name in inside for name in dynamic):
            nodes.append(node)
            taken.add(id(node))
            inside.update(node.output)
    exits = {
        name
        for name in inside
        if name in graph.outputs or any(id(node) not in taken for node in graph.users.get(name, []))
    }
    if len(exits) != 1 or tensor.name in exits or not nodes:
        return None
    (end,) = exits
    one = np.ones(tensor.sizes["c"].number)
    pieces = {tensor.name: Piece(one, one, 0 * one)}
    for node in nodes:
        pieces[node.output[0]] = apply(graph, node, pieces, tensor)
    found = pieces[end]
    expected = expectation(tensor)
    if not np.all(found.right == 1):
        raise Unsupported(
            f"{expected}, which does not change positive values; found a factor of "
            f"{found.right.min():.9g} … {found.right.max():.9g}"
        )
    lost = float((found.lost / np.maximum(1, np.abs(found.left))).max())
    if lost > MAX_ERROR:
        raise Unsupported(
            f"{expected}, found a function with a relative rounding error of up to {lost:.1e} in float32"
        )
    return FoundActivation(end, "PRelu", found.left.astype(np.float32))


def expectation(tensor: Tensor) -> str:
    """Return the beginning of the error messages of `find_prelu`."""
    return f"expected a PReLU after {tensor.name!r}"


def apply(graph: Graph, node: Any, pieces: dict[str, Piece], tensor: Tensor) -> Piece:
    """Return the output of a node of the region (see `find_prelu`). Let v be the input of the region.

    The output must be 0 for v = 0, linear for v > 0, and linear for v < 0. Raises Unsupported if this cannot
    be proven.
    """
    found = f"{expectation(tensor)}, found {describe_node(node)}"
    if node.domain not in DOMAINS or len(node.output) != 1:
        raise Unsupported(found)
    inputs: list[Piece | DoubleArray] = []
    for name in node.input:
        if name in pieces:
            inputs.append(pieces[name])
        else:
            value = tensor.per_channel(graph.constants[name], tensor.sizes["c"].number)
            inputs.append(np.broadcast_to(value.astype(np.float64), tensor.sizes["c"].number))
    try:
        result = OPERATORS[node.op_type](inputs, graph.attributes(node))
    except Unsupported as error:
        raise Unsupported(f"{found}: {error}") from error
    slopes = np.abs([result.right, result.left])
    if not np.all((slopes == 0) | ((slopes <= MAX_SLOPE) & (slopes >= MIN_SLOPE))):
        raise Unsupported(f"{found}: one of its slopes is too small or too large")
    return result


Inputs = Sequence[Piece | DoubleArray]
Attributes = dict[str, Any]


def rounded(right: DoubleArray, left: DoubleArray, lost: DoubleArray) -> Piece:
    """Return the result of an operation that rounds. Its rounding error is added to `lost`."""
    return Piece(right, left, lost + ROUNDING * np.maximum(np.abs(right), np.abs(left)))


def as_piece(one: Piece | DoubleArray) -> Piece:
    """Convert an operand that is added or compared.

    If the operand is a constant, it must be 0. Otherwise the slope could change at a point other than 0.
    """
    if isinstance(one, Piece):
        return one
    if one.any():
        raise Unsupported(
            f"it uses the constant {one.flat[np.abs(one).argmax()]:.6g}; if this is not 0, the slope "
            "may change at a point other than 0"
        )
    return Piece(one, one, one)


def relu(inputs: Inputs, attributes: Attributes) -> Piece:
    return leaky(as_piece(inputs[0]), np.zeros(1))


def leaky(one: Piece, slope: DoubleArray) -> Piece:
    """Return `f >= 0 ? f : f * slope` for a tensor f.

    For v < 0, f is positive if its factor `left` is negative.
    """
    right = np.where(one.right >= 0, one.right, one.right * slope)
    left = np.where(one.left <= 0, one.left, one.left * slope)
    lost = one.lost * np.maximum(1, np.abs(slope))
    return rounded(right, left, lost) if slope.any() else Piece(right, left, lost)


def leaky_relu(inputs: Inputs, attributes: Attributes) -> Piece:
    return leaky(as_piece(inputs[0]), np.full(1, np.float32(attributes.get("alpha", 0.01)), np.float64))


def prelu(inputs: Inputs, attributes: Attributes) -> Piece:
    if isinstance(inputs[1], Piece):
        raise Unsupported("its slopes are not constant")
    return leaky(as_piece(inputs[0]), inputs[1])


def negate(inputs: Inputs, attributes: Attributes) -> Piece:
    one = as_piece(inputs[0])
    return Piece(-one.right, -one.left, one.lost)


def absolute(inputs: Inputs, attributes: Attributes) -> Piece:
    one = as_piece(inputs[0])
    return Piece(np.abs(one.right), -np.abs(one.left), one.lost)


def identity(inputs: Inputs, attributes: Attributes) -> Piece:
    return as_piece(inputs[0])


def multiply(inputs: Inputs, attributes: Attributes) -> Piece:
    left, right = inputs
    if isinstance(left, Piece) and isinstance(right, Piece):
        raise Unsupported("it multiplies two values that are not constant")
    one, factor = (left, right) if isinstance(left, Piece) else (right, left)
    assert isinstance(one, Piece) and not isinstance(factor, Piece)  # noqa: PT018
    return rounded(one.right * factor, one.left * factor, one.lost * np.abs(factor))


def divide(inputs: Inputs, attributes: Attributes) -> Piece:
    one, divisor = inputs
    if not isinstance(one, Piece) or isinstance(divisor, Piece) or not divisor.all():
        raise Unsupported("it divides by 0 or by a value that is not constant")
    return multiply([one, 1 / divisor], attributes)


def add(inputs: Inputs, attributes: Attributes) -> Piece:
    a, b = map(as_piece, inputs)
    return rounded(a.right + b.right, a.left + b.left, a.lost + b.lost)


def subtract(inputs: Inputs, attributes: Attributes) -> Piece:
    as_piece(inputs[1])  # raises an error that states the constant, before its sign changes
    return add([inputs[0], negate(inputs[1:], attributes)], attributes)


def extreme(right: Callable[..., Any], left: Callable[..., Any]) -> Callable[[Inputs, Attributes], Piece]:
    def choose(inputs: Inputs, attributes: Attributes) -> Piece:
        pieces = [as_piece(one) for one in inputs]
        return Piece(
            right([one.right for one in pieces], axis=0),
            left([one.left for one in pieces], axis=0),
            np.max([one.lost for one in pieces], axis=0),
        )

    return choose


OPERATORS: dict[str, Callable[[Inputs, Attributes], Piece]] = {
    "Relu": relu,
    "LeakyRelu": leaky_relu,
    "PRelu": prelu,
    "Neg": negate,
    "Abs": absolute,
    "Identity": identity,
    "Mul": multiply,
    "Div": divide,
    "Add": add,
    "Sub": subtract,
    "Max": extreme(np.max, np.min),
    "Min": extreme(np.min, np.max),
}
