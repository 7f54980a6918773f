"""A PReLU that was written with other operators.

Each tensor of such a region is p * v for v >= 0 and q * v for v < 0, channel by channel: the operators that
are accepted, with constants of 0 where one is added or compared, make only such functions. So the region has
its one break at 0, for every value, and p and q say all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import Unsupported
from ..found import FoundActivation
from .graph import DOMAINS, Graph
from .tensor import Tensor

Wide = npt.NDArray[np.float64]
ROUNDING = 2.0**-24  # relative error of one operation in float32
LOST = 8 * ROUNDING  # what float32 may lose, as a share of the greater of what enters and what leaves
STEEPEST, FLATTEST = 2.0**30, 2.0**-60  # slopes between these neither overflow nor vanish in float32


@dataclass(frozen=True, eq=False)
class Piece:
    """A tensor of a region: `right` * v for v >= 0, `left` * v for v < 0, for each channel; and what float32
    may lose of it, as a share of the value that enters."""

    right: Wide
    left: Wide
    lost: Wide


def find_prelu(graph: Graph, tensor: Tensor) -> FoundActivation | None:
    """The PReLU that starts at `tensor` and is written with several operators, such as
    relu(v) - slope * relu(-v). It has the name of the tensor that leaves it.

    None where the operators after `tensor` are none that work value by value and end in one tensor. Raises
    Unsupported where they are not proven to be a PReLU.
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
    if not np.all(found.right == 1):
        raise Unsupported(
            "expected these operators to be a PReLU: positive values unchanged, found them multiplied by "
            f"{found.right.min():.9g} … {found.right.max():.9g}"
        )
    lost = float((found.lost / np.maximum(1, np.abs(found.left))).max())
    if lost > LOST:
        raise Unsupported(
            f"expected these operators to be a PReLU, found that they lose up to {lost:.1e} of each value in "
            "float32"
        )
    return FoundActivation(end, "PRelu", found.left.astype(np.float32))


def apply(graph: Graph, node: Any, pieces: dict[str, Piece], tensor: Tensor) -> Piece:
    """What leaves a node of the region. Unsupported where it is not proven to be made of two straight lines
    that meet at 0."""
    where = f"{node.name or node.output[0]!r} ({node.op_type})"
    if node.domain not in DOMAINS or len(node.output) != 1:
        raise Unsupported(f"expected these operators to be a PReLU, found {where}")
    inputs: list[Piece | Wide] = []
    for name in node.input:
        if name in pieces:
            inputs.append(pieces[name])
        else:
            value = tensor.per_channel(graph.constants[name], tensor.sizes["c"].number)
            inputs.append(np.broadcast_to(value.astype(np.float64), tensor.sizes["c"].number))
    try:
        result = OPERATORS[node.op_type](inputs, graph.attributes(node))
    except Unsupported as error:
        raise Unsupported(f"expected these operators to be a PReLU, at {where}: {error}") from error
    slopes = np.abs([result.right, result.left])
    if not np.all((slopes == 0) | ((slopes <= STEEPEST) & (slopes >= FLATTEST))):
        raise Unsupported(
            f"expected these operators to be a PReLU, at {where}: a slope is too small or large"
        )
    return result


Inputs = Sequence[Piece | Wide]
Attributes = dict[str, Any]


def rounded(right: Wide, left: Wide, lost: Wide) -> Piece:
    """After an operation that rounds."""
    return Piece(right, left, lost + ROUNDING * np.maximum(np.abs(right), np.abs(left)))


def as_piece(one: Piece | Wide) -> Piece:
    """A constant that is added or compared: 0, or the function breaks elsewhere or does not go through 0."""
    if isinstance(one, Piece):
        return one
    if one.any():
        raise Unsupported(
            f"it is not proven to break at 0 alone: a constant of {one.flat[np.abs(one).argmax()]:.6g}"
        )
    return Piece(one, one, one)


def relu(inputs: Inputs, attributes: Attributes) -> Piece:
    return leaky(as_piece(inputs[0]), np.zeros(1))


def leaky(one: Piece, slope: Wide) -> Piece:
    """`f >= 0 ? f : f * slope`; to the left of 0, f is positive where its factor is negative."""
    right = np.where(one.right >= 0, one.right, one.right * slope)
    left = np.where(one.left <= 0, one.left, one.left * slope)
    lost = one.lost * np.maximum(1, np.abs(slope))
    return rounded(right, left, lost) if slope.any() else Piece(right, left, lost)


def leaky_relu(inputs: Inputs, attributes: Attributes) -> Piece:
    return leaky(as_piece(inputs[0]), np.full(1, np.float32(attributes.get("alpha", 0.01)), np.float64))


def prelu(inputs: Inputs, attributes: Attributes) -> Piece:
    if isinstance(inputs[1], Piece):
        raise Unsupported("its slopes are computed")
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
        raise Unsupported("a product of two values that are computed")
    one, factor = (left, right) if isinstance(left, Piece) else (right, left)
    assert isinstance(one, Piece) and not isinstance(factor, Piece)  # noqa: PT018
    return rounded(one.right * factor, one.left * factor, one.lost * np.abs(factor))


def divide(inputs: Inputs, attributes: Attributes) -> Piece:
    one, divisor = inputs
    if not isinstance(one, Piece) or isinstance(divisor, Piece) or not divisor.all():
        raise Unsupported("a division by anything but a constant that is not 0")
    return multiply([one, 1 / divisor], attributes)


def add(inputs: Inputs, attributes: Attributes) -> Piece:
    a, b = map(as_piece, inputs)
    return rounded(a.right + b.right, a.left + b.left, a.lost + b.lost)


def subtract(inputs: Inputs, attributes: Attributes) -> Piece:
    as_piece(inputs[1])  # its error has the constant as it stands
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
