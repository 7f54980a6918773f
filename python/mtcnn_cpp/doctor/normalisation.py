"""What a network does to the picture before or inside its first layer.

OpenFace's first layer gets (v - 127.5) / 128. A graph can compute that itself. Or it is folded into the
weights: a layer with kernel * s and bias + t * sum(kernel) gives on u what OpenFace's gives on s * u + t.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..types import FloatArray
from .arrange import Arrangement
from .findings import Finding

Wide = npt.NDArray[np.float64]

RAW = np.array([1 / 128, -127.5 / 128])  # factor and shift that make OpenFace's input of a raw pixel
NEAR = 1e-4  # relative: so far apart constants may be that are meant to be the same
ROUNDING = 2.0**-24  # relative error of one operation in float32
# How far a normalised value, which reaches 1, may be from OpenFace's: 4 ulp of it, as two or three constants
# that are rounded to float32 make.
TOLERANCE = 4 * ROUNDING


def folded(
    found: Arrangement, bias: FloatArray | None, kernel: FloatArray, our_bias: FloatArray
) -> FloatArray | None:
    """The factor and the shifts of R, G, B that are folded into a first layer, (4,) float32; None where there
    are none.

    `found`, `bias`: theirs; `kernel` (out, 3, y, x), `our_bias` (out,): OpenFace's.
    """
    if not np.isfinite(found.kernel).all() or (bias is not None and not np.isfinite(bias).all()):
        return None
    ours, theirs = kernel.astype(np.float64), found.kernel.astype(np.float64)
    factor = float((theirs * ours).sum() / (ours * ours).sum())
    if abs(factor) < 1e-9 or np.abs(theirs - factor * ours).max() > 1e-4 * abs(factor) * np.abs(ours).max():
        return None
    shifts = np.zeros(3)
    if bias is not None and bias.any() and bias.size == our_bias.size:
        sums = ours.sum(axis=(2, 3))
        missing = bias[np.argsort(found.outputs)].astype(np.float64) - our_bias
        shifts, *_ = np.linalg.lstsq(sums, missing, rcond=None)
        if np.abs(sums @ shifts - missing).max() > 1e-4 * max(1.0, float(np.abs(missing).max())):
            return None
    if abs(factor - 1) < NEAR and np.abs(shifts).max() < NEAR:
        return None
    return np.array([factor, *shifts], np.float32)


def check_fold(
    found: Arrangement,
    bias: FloatArray | None,
    kernel: FloatArray,
    our_bias: FloatArray,
    scale: FloatArray | None,
    shift: FloatArray | None,
) -> str | None:
    """None where a first layer for raw pixels has OpenFace's numbers, as far as float32 can hold them:
    kernels within 2 ulp, biases within one rounding of all that was added up for each number folded in. Else
    what is wrong, in words. Arguments as `folded`; `scale`, `shift`: what the graph does first."""
    ours, theirs = kernel.astype(np.float64), found.kernel.astype(np.float64)
    graph_scale = np.broadcast_to(1.0 if scale is None else scale.astype(np.float64), 3)
    graph_shift = np.broadcast_to(0.0 if shift is None else shift.astype(np.float64), 3)
    factor = RAW[0] / graph_scale
    expected = ours * factor[:, None, None]
    if np.any(np.abs(theirs - expected) > 4 * ROUNDING * np.abs(expected)):
        return "its kernels are not OpenFace's times the factor"
    offsets = RAW[1] - factor * graph_shift
    terms = ours * offsets[:, None, None]
    right = our_bias + terms.sum(axis=(1, 2, 3))
    allowed = ROUNDING * (ours[0].size + 2) * (np.abs(our_bias) + np.abs(terms).sum(axis=(1, 2, 3)))
    there = np.zeros(len(right)) if bias is None else bias[np.argsort(found.outputs)].astype(np.float64)
    if np.any(np.abs(there - right) > allowed):
        return "its biases are not OpenFace's with the shift"
    return None


def check_normalisation(
    layer: str, scale: FloatArray | None, shift: FloatArray | None, fold: FloatArray | None
) -> Finding | str | None:
    """What the graph does (`scale`, `shift`) and what is folded in, together: None where that is nothing, a
    note in words where it is right for raw pixels, else a finding."""
    one, none = np.ones(1), np.zeros(1)
    graph_scale = one if scale is None else scale.astype(np.float64)
    graph_shift = none if shift is None else shift.astype(np.float64)
    factor, shifts = (1.0, none) if fold is None else (float(fold[0]), fold[1:].astype(np.float64))
    total = np.broadcast_to(factor * graph_scale, 3), np.broadcast_to(factor * graph_shift + shifts, 3)
    near = is_near if fold is not None else is_equal  # check_fold looks at what is folded in
    if near(total, (1.0, 0.0)):
        return None
    places = {"in the graph": scale is not None, "folded into the first layer": fold is not None}
    where = " and ".join(place for place, there in places.items() if there)
    if near(total, (RAW[0], RAW[1])):
        return f"normalises pixels itself ({where}): give it raw values 0 … 255"
    digits = 9 if is_near(total, (1.0, 0.0)) or is_near(total, (RAW[0], RAW[1])) else 6
    with np.errstate(divide="ignore", invalid="ignore"):  # a factor of 0
        centre, divisor = numbers(-total[1] / total[0], digits), numbers(1 / total[0], digits)
    text = f"other normalisation {where}: (v - {centre}) / {divisor} of what it is given"
    evidence = {
        "expected": "(v - 127.5) / 128 of pixels, or nothing",
        "factor": numbers(total[0], digits),
        "shift": numbers(total[1], digits),
    }
    # It can be taken out of a graph, but not out of weights: rounding has changed them.
    return Finding(layer, "normalisation", text, evidence, exact=fold is None)


def is_near(total: tuple[Wide, Wide], wanted: tuple[float, float]) -> bool:
    """Whether factors and shifts are those wanted, for every map."""
    return all(
        bool(np.all(np.abs(found - value) <= NEAR * max(abs(value), 1e-2)))
        for found, value in zip(total, wanted, strict=True)
    )


def is_equal(total: tuple[Wide, Wide], wanted: tuple[float, float]) -> bool:
    """Whether what reaches the first layer is within TOLERANCE of what OpenFace's gets, for every value that
    an image can have: -1 … 1, or pixels 0 … 255."""
    factors, shifts = total[0] - wanted[0], total[1] - wanted[1]
    ends = (0.0, 255.0) if wanted[0] == RAW[0] else (-1.0, 1.0)
    return all(bool(np.all(np.abs(factors * end + shifts) <= TOLERANCE)) for end in ends)


def numbers(values: Wide, digits: int = 6) -> str:
    distinct = np.unique(np.round(values.astype(np.float64), digits)) + 0.0  # never -0
    return ", ".join(f"{value:.{digits}g}" for value in distinct)
