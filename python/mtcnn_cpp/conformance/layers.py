"""The grades of a case's layers, where a result has them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..trace.errors import TraceError
from ..trace.file.trace import Trace
from ..trace.judge.magnitudes import Magnitudes
from ..trace.judge.ulp import ulp_distance
from ..trace.names import hint, layer_inputs, template
from .grades import SHARE, ULPS, Grade
from .results import Result


@dataclass(frozen=True)
class LayerGrade:
    """One layer over all levels or crops, such as pnet/level*/conv1. tensors: how many were compared. share:
    the largest difference, as a share of the layer's greatest magnitude (None: only hashes were given)."""

    layer: str
    grade: Grade
    tensors: int
    share: float | None
    reason: str


def grade_layers(expected: Trace, found: Result) -> tuple[list[LayerGrade], list[str]]:
    """Grades of the layers that the result has, in execution order, and notes on what was not compared.

    A crop whose input is another one (a box moved by a pixel) is not held against the expected crop; where
    all crops of a network are other ones, the input itself is graded different.
    """
    inputs = layer_inputs(expected.names)
    wanted = [name for name in expected.names if name in inputs or name.endswith("/input")]
    given = [name for name in wanted if name in found.layers or name in found.hashes]
    notes = list(_unknown(expected, found))
    if not given:
        return [], notes
    magnitudes = Magnitudes(expected)
    judged = {name: _tensor(expected, found, name, magnitudes) for name in given}
    others = _other_crops(judged)
    if others:
        notes.append(f"{len(others)} crops are other ones than expected (first {others[0]}): not compared")
    kept = {name: verdict for name, verdict in judged.items() if name.rpartition("/")[0] not in others}
    if len(given) < len(wanted):
        notes.append(f"{len(given)} of {len(wanted)} tensors were given")
    return list(_by_layer(kept)), notes


def _by_layer(judged: Mapping[str, tuple[Grade, float | None, str]]) -> Iterator[LayerGrade]:
    layers: dict[str, list[tuple[str, Grade, float | None, str]]] = {}
    for name, verdict in judged.items():
        layers.setdefault(template(name), []).append((name, *verdict))
    for layer, rows in layers.items():
        worst = max(rows, key=lambda row: (row[1], row[2] or 0.0))
        shares = [row[2] for row in rows if row[2] is not None]
        reason = f"{worst[0]}: {worst[3]}" if worst[3] else ""
        yield LayerGrade(layer, worst[1], len(rows), max(shares, default=None), reason)


def _tensor(
    expected: Trace, found: Result, name: str, magnitudes: Magnitudes
) -> tuple[Grade, float | None, str]:
    """Grade, share and reason of one tensor."""
    if name not in found.layers:
        if found.hashes[name] == expected.entry(name).sha256:
            return Grade.EXACT, None, ""
        return Grade.SAME_FACES, None, "its SHA-256 differs; how far it is off needs its values (NPZ)"
    try:
        b = found.layers[name]
    except TraceError as error:
        return Grade.DIFFERENT, math.inf, str(error)
    a = expected[name]
    if (b.shape, b.dtype) != (a.shape, a.dtype):
        reason = f"expected {a.shape} {a.dtype}, found {b.shape} {b.dtype}"
        return Grade.DIFFERENT, math.inf, reason
    if a.tobytes() == b.tobytes():
        return Grade.EXACT, 0.0, ""
    return _values(a, b, magnitudes[name])


def _values(a: NDArray[Any], b: NDArray[Any], magnitude: float) -> tuple[Grade, float | None, str]:
    if not np.isfinite(b).all():
        return Grade.DIFFERENT, math.inf, f"{np.count_nonzero(~np.isfinite(b))} values are NaN or infinite"
    apart = np.abs(a.astype(np.float64) - b)
    share = float(apart.max()) / max(magnitude, 1e-30)
    words = (
        f"{np.count_nonzero(a != b)} of {a.size} values differ, by up to {share:.2g} of the layer's greatest"
    )
    if float(ulp_distance(a, b).max()) <= ULPS:
        return Grade.ULP_CLOSE, share, words
    return (Grade.CLOSE if share <= SHARE else Grade.DIFFERENT), share, words + _guess(a, b)


def _guess(a: NDArray[Any], b: NDArray[Any]) -> str:
    """What it looks like, where that can be seen."""
    if len(a) == 3 and np.array_equal(a, b[::-1]):
        return "; red and blue are swapped"
    if a.ndim == 3 and a.shape[1] == a.shape[2] and np.array_equal(a, b.swapaxes(1, 2)):
        return "; x and y are swapped"
    return ""


def _other_crops(judged: Mapping[str, tuple[Grade, float | None, str]]) -> list[str]:
    """Crops with another input, but not where all of a network's are."""
    others: list[str] = []
    for stage in ("rnet", "onet"):
        crops = {
            name.rpartition("/")[0]: verdict[0]
            for name, verdict in judged.items()
            if name.startswith(f"{stage}/crop") and name.endswith("/input")
        }
        wrong = [crop for crop, grade in crops.items() if grade is Grade.DIFFERENT]
        if len(wrong) < len(crops):
            others += wrong
    return others


def _unknown(expected: Trace, found: Result) -> Iterator[str]:
    """A note on names that are not expected."""
    unknown = [name for name in (*found.layers, *found.hashes) if name not in expected]
    if unknown:
        yield f"{len(unknown)} names are not expected, first {unknown[0]!r}{hint(unknown[0], expected)}"
