"""The grades of a case's layers, where a result has them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..formats.errors import shown
from ..trace.errors import TraceError
from ..trace.file.trace import Trace
from ..trace.judge.magnitudes import Magnitudes
from ..trace.judge.ulp import ulp_distance
from ..trace.names import hint, template
from .grades import BOX, SCORE, SHARE, ULPS, Grade
from .results import Result

LISTED = 6  # kinds of missing tensors that a note names
PIXELS = ("boxes", "boxes_in", "boxes_out", "landmarks")
PROBABILITIES = ("scores", "heat_map")


@dataclass(frozen=True)
class LayerGrade:
    """One layer or list over all levels or crops, such as pnet/level*/conv1. tensors: how many were compared.
    share: the largest difference, as a share of the greatest magnitude (None: only hashes were given)."""

    layer: str
    grade: Grade
    tensors: int
    share: float | None
    reason: str


def grade_layers(expected: Trace, found: Result) -> tuple[list[LayerGrade], int, list[str]]:
    """Grades of the tensors that the result has, in execution order; how many the case has; and notes on what
    was not compared, none if everything was.

    The faces (final/…) are graded from the result's own boxes, scores and landmarks; here only if they are
    given as tensors too.
    """
    given = list(filter(found.has, expected))
    missing = [name for name in expected if not found.has(name) and not name.startswith("final/")]
    magnitudes = Magnitudes(expected)
    judged = {name: _tensor(expected, found, name, magnitudes) for name in given}
    notes = [*_missing(missing, len(given)), *_unknown(expected, found)]
    return list(_by_layer(judged)), len(given) + len(missing), notes


def _missing(missing: list[str], given: int) -> Iterator[str]:
    """A note on tensors that were not given, by kind."""
    if missing:
        kinds = Counter(map(template, missing))
        listed = [f"{kind} ({count})" if "*" in kind else kind for kind, count in kinds.items()]
        more = f" and {len(listed) - LISTED} kinds more" if len(listed) > LISTED else ""
        total = given + len(missing)
        yield f"not given: {len(missing)} of {total} tensors: {', '.join(listed[:LISTED])}{more}"


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
    if found.hashes.get(name, expected.entry(name).sha256) != expected.entry(name).sha256:
        if name not in found.layers:
            return Grade.SAME_FACES, None, "its SHA-256 differs; how far it is off needs its values (NPZ)"
        return Grade.DIFFERENT, None, "its SHA-256 differs, whatever its values are"
    if name not in found.layers:
        return Grade.EXACT, None, ""
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
    return _values(a, b, name.rpartition("/")[2], magnitudes[name])


def _values(
    a: NDArray[Any], b: NDArray[Any], tensor: str, magnitude: float
) -> tuple[Grade, float | None, str]:
    """Of values that differ."""
    if a.dtype.kind != "f":
        return Grade.DIFFERENT, None, f"{np.count_nonzero(a != b)} of {a.size} indices differ"
    if not np.isfinite(b).all():
        return Grade.DIFFERENT, math.inf, f"{np.count_nonzero(~np.isfinite(b))} values are NaN or infinite"
    apart = np.abs(a.astype(np.float64) - b)
    share = float(apart.max()) / max(magnitude, 1e-30)
    words = (
        f"{np.count_nonzero(a != b)} of {a.size} values differ, by up to {share:.2g} of the layer's greatest"
    )
    if float(ulp_distance(a, b).max()) <= ULPS:
        return Grade.ULP_CLOSE, share, words
    allowed = SHARE * magnitude
    if tensor in PIXELS:
        allowed = BOX
    elif tensor in PROBABILITIES:
        allowed = SCORE
    close = float(apart.max()) <= allowed
    return (Grade.CLOSE if close else Grade.DIFFERENT), share, words + _guess(a, b)


def _guess(a: NDArray[Any], b: NDArray[Any]) -> str:
    """What it looks like, where that can be seen."""
    if len(a) == 3 and np.array_equal(a, b[::-1]):
        return "; red and blue are swapped"
    if a.ndim == 3 and a.shape[1] == a.shape[2] and np.array_equal(a, b.swapaxes(1, 2)):
        return "; x and y are swapped"
    return ""


def _unknown(expected: Trace, found: Result) -> Iterator[str]:
    """A note on names that are not expected."""
    unknown = [name for name in dict.fromkeys([*found.layers, *found.hashes]) if name not in expected]
    if unknown:
        first = f"{shown(unknown[0], 200)!r}{hint(unknown[0], expected)}"
        yield f"not compared: {len(unknown)} tensors that the case does not have, first {first}"
