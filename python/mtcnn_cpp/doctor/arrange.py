"""The search: in which arrangement are these OpenFace's numbers?

A port may have turned a kernel (or laid a dense layer's input flat in another order), and put its input
maps and its output maps in another order, all at once. So every way of turning is tried. For each, output
maps are matched by their sorted values, which neither a turn nor the order of inputs changes, then input maps
by their direction. The best arrangement is the one with most numbers equal, bit for bit; among equals the one
that correlates best.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from ..formats import flat
from ..formats.agreement.outlets import Order as Order
from ..types import FloatArray

Turn = Callable[[FloatArray], FloatArray]
Reading = tuple[str, str | None]  # a turn, and the order in which a dense input is laid flat

# What the port did, and what undoes it, on a kernel (out, in, y, x).
TURNS: dict[str, Turn] = {
    "": lambda k: k,
    "transposed (x and y swapped)": lambda k: k.swapaxes(2, 3),
    "flipped along x": lambda k: k[:, :, :, ::-1],
    "flipped along y": lambda k: k[:, :, ::-1],
    "flipped along x and y (true convolution)": lambda k: k[:, :, ::-1, ::-1],
    "rotated by 90° to the left": lambda k: np.rot90(k, -1, (2, 3)),
    "rotated by 90° to the right": lambda k: np.rot90(k, 1, (2, 3)),
    "transposed along the other diagonal": lambda k: k.swapaxes(2, 3)[:, :, ::-1, ::-1],
}
# A dense layer's kernel is turned by these only: swapping x and y is one of the orders of its input.
FLIPS = [turn for turn in TURNS if not turn or turn.startswith("flipped")]


@dataclass(frozen=True, eq=False)
class Arrangement:
    """How the numbers of a layer lie: their output map o is OpenFace's `outputs[o]`, their input map i its
    `inputs[i]`.

    `turn`: a key of TURNS. `order`: the one in which the weights expect their input laid flat; None where no
    maps are laid flat. `kernel`: their numbers with all of that undone, (out, in, y, x). `equal`: the share
    of them that are OpenFace's, bit for bit. `figures`: the evidence, as it stood and so arranged.
    """

    turn: str
    order: str | None
    outputs: Order
    inputs: Order
    kernel: FloatArray
    equal: float
    correlation: float
    figures: dict[str, str] = field(default_factory=dict)


def is_identity(order: Order) -> bool:
    return order == tuple(range(len(order)))


def arrange_kernel(theirs: FloatArray, ours: FloatArray) -> Arrangement:
    """The best arrangement of a convolution: kernels (out, in, y, x) of one shape."""
    readings: dict[Reading, FloatArray] = {(turn, None): undo(theirs) for turn, undo in TURNS.items()}
    return best({one: kernel for one, kernel in readings.items() if kernel.shape == ours.shape}, ours)


def arrange_dense(
    theirs: FloatArray, ours: FloatArray, maps: tuple[int, int, int], order: str | None
) -> Arrangement:
    """The best arrangement of a dense layer on maps (channels, height, width): weights (in, out). `order`:
    the one in which their network lays its input flat; it is tried first."""
    orders = sorted(flat.ORDERS, key=lambda one: one != order)
    readings: dict[Reading, FloatArray] = {
        (turn, one): TURNS[turn](flat.to_kernel(theirs, maps, one)) for turn in FLIPS for one in orders
    }
    return best(readings, flat.to_kernel(ours, maps, flat.OPENFACE))


def best(readings: dict[Reading, FloatArray], ours: FloatArray) -> Arrangement:
    """The first reading that is OpenFace's kernel; else the one that comes nearest, its maps reordered."""
    plain: Order = tuple(range(len(ours)))
    own: Order = tuple(range(ours.shape[1]))
    reading, kernel = next(iter(readings.items()))
    as_is = found = arranged(reading, kernel, ours, plain, own)
    for reading, turned in readings.items():
        if np.array_equal(turned, ours):
            return with_figures(arranged(reading, turned, ours, plain, own), as_is)
    matched = nearest(np.sort(kernel.reshape(len(kernel), -1)), np.sort(ours.reshape(len(ours), -1)))
    for outputs in dict.fromkeys((plain, matched)):
        for reading, turned in readings.items():
            found = max(found, arranged(reading, turned, ours, outputs), key=goodness)
            if found.equal == 1:
                return with_figures(found, as_is)
    # Among unrelated numbers some arrangement always fits a little better; that is no finding.
    better = found.correlation > 0.6 and 1 - found.correlation < (1 - as_is.correlation) / 2
    return with_figures(found if found.equal > 0.5 or better else as_is, as_is)


def with_figures(found: Arrangement, as_is: Arrangement) -> Arrangement:
    figures = {
        "equal": f"{as_is.equal:.1%}, so arranged {found.equal:.1%}",
        "correlation": f"{as_is.correlation:.4f}, so arranged {found.correlation:.4f}",
    }
    return replace(found, figures=figures)


def goodness(found: Arrangement) -> tuple[float, float]:
    """Greater is better. Fewer equal numbers than half are chance; then only the correlation counts."""
    return found.equal if found.equal > 0.5 else 0.0, found.correlation


def arranged(
    reading: Reading, kernel: FloatArray, ours: FloatArray, outputs: Order, inputs: Order | None = None
) -> Arrangement:
    """Their kernel with its maps brought into OpenFace's order. `inputs` None: input maps are matched."""
    turn, order = reading
    if inputs is None:
        inputs = nearest(by_input(kernel), by_input(ours[list(outputs)]))
    kernel = kernel[np.argsort(outputs)][:, np.argsort(inputs)]
    equal = float(np.mean(kernel == ours))
    return Arrangement(turn, order, outputs, inputs, kernel, equal, correlation(kernel, ours))


def by_input(kernel: FloatArray) -> FloatArray:
    """(out, in, y, x) → a row for each input map."""
    return kernel.swapaxes(0, 1).reshape(kernel.shape[1], -1)


def nearest(theirs: FloatArray, ours: FloatArray) -> Order:
    """For each row of theirs the index of the row of ours whose direction is nearest. Where a row of ours is
    chosen twice there is no such order: then 0, 1, 2, …"""
    found = (unit(theirs) @ unit(ours).T).argmax(axis=1)
    order = tuple(int(index) for index in found)
    return order if len(set(order)) == len(order) else tuple(range(len(order)))


def unit(rows: FloatArray) -> npt.NDArray[np.float64]:
    """The rows scaled to length 1."""
    wide = rows.astype(np.float64)
    return wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-30)  # type: ignore[no-any-return]


def correlation(a: FloatArray, b: FloatArray) -> float:
    """Pearson's, of all numbers. Where one side is constant: 1 if all numbers are equal, else 0."""
    a64, b64 = a.ravel().astype(np.float64), b.ravel().astype(np.float64)
    a64, b64 = a64 - a64.mean(), b64 - b64.mean()
    # Sums without BLAS, whose threads cost more than they give here.
    norm = float(np.sqrt((a64 * a64).sum() * (b64 * b64).sum()))
    return float((a64 * b64).sum()) / norm if norm else float(np.array_equal(a, b))
