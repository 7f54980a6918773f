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
NEAR = 1e-4  # relative: so far apart constants may be that count as the same


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
    if is_near(total, (1.0, 0.0)):
        return None
    places = {"in the graph": scale is not None, "folded into the first layer": fold is not None}
    where = " and ".join(place for place, there in places.items() if there)
    if is_near(total, (RAW[0], RAW[1])):
        return f"normalises pixels itself ({where}): give it raw values 0 … 255"
    centre, divisor = -total[1] / total[0], 1 / total[0]
    text = f"other normalisation {where}: (v - {numbers(centre)}) / {numbers(divisor)} of what it is given"
    evidence = {
        "expected": "(v - 127.5) / 128 of pixels, or nothing",
        "factor": numbers(total[0]),
        "shift": numbers(total[1]),
    }
    # It can be taken out of a graph, but not out of weights: rounding has changed them.
    return Finding(layer, "normalisation", text, evidence, exact=fold is None)


def is_near(total: tuple[Wide, Wide], wanted: tuple[float, float]) -> bool:
    """Whether factors and shifts are those wanted, for every map."""
    return all(
        bool(np.all(np.abs(found - value) <= NEAR * max(abs(value), 1e-2)))
        for found, value in zip(total, wanted, strict=True)
    )


def numbers(values: Wide) -> str:
    values = np.unique(np.round(values.astype(np.float64), 6))
    return ", ".join(f"{value:.6g}" for value in values) if len(values) > 1 else f"{values[0]:.6g}"
