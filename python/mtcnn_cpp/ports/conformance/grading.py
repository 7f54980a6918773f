"""Grades of one case: its faces and its layers."""

from __future__ import annotations

import enum
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...detections.result import Detections
from ...formats.errors import safe_text
from ...trace.comparison.boxes import pair_boxes
from ...trace.comparison.statistics import LayerMagnitudes, ulp_distance
from ...trace.errors import TraceError
from ...trace.names import suggest_names, template
from ...trace.trace import Trace
from ...types import FloatArray
from .results import Result

MAX_ULPS = 4.0  # grade ulp-close: largest distance of two float32 values
LAYER_TOLERANCE = 1e-5  # grade close: largest difference, as a share of the layer's greatest magnitude
BOX_TOLERANCE, SCORE_TOLERANCE = 0.01, 1e-5  # grade close: largest differences in pixels, and in probability
MIN_IOU = 0.5  # smallest intersection over union of two boxes of the same face
MAX_LISTED = 6  # maximum number of kinds of missing tensors in a note
PIXEL_TENSORS = ("boxes", "boxes_in", "boxes_out", "landmarks")
PROBABILITY_TENSORS = ("scores", "heat_map")


class Grade(enum.IntEnum):
    """How close a result is to the expected result. A smaller value is a better grade."""

    EXACT = 0
    EXACT_IN_PART = 1
    ULP_CLOSE = 2
    CLOSE = 3
    SAME_FACES = 4
    DIFFERENT = 5

    @property
    def label(self) -> str:
        """The grade as text, for example "exact in part" or "ulp-close"."""
        return self.name.lower().replace("p_c", "p-c").replace("_", " ")

    @property
    def meaning(self) -> str:
        """The condition for this grade, as a sentence."""
        return _MEANINGS[self]


_MEANINGS = {
    Grade.EXACT: "every bit of every case is equal: faces, landmarks and all tensors",
    Grade.EXACT_IN_PART: "every bit that was compared is equal, but not everything was compared",
    Grade.ULP_CLOSE: f"all compared numbers are within {MAX_ULPS:g} units in the last place of float32",
    Grade.CLOSE: f"compared boxes are within {BOX_TOLERANCE:g} px, scores within {SCORE_TOLERANCE:g}, and "
    f"layers within {LAYER_TOLERANCE:g} of their greatest magnitude",
    Grade.SAME_FACES: f"the same faces were found; their boxes overlap by an IoU of at least {MIN_IOU:g}",
    Grade.DIFFERENT: "other faces were found, or there is no result",
}


def find_grade(label: str) -> Grade:
    """Return the grade with this label.

    Raises:
        ValueError: No grade has this label.
    """
    for grade in Grade:
        if grade.label == label:
            return grade
    raise ValueError(f"grade: expected one of {', '.join(g.label for g in Grade)}, got {label!r}")


@dataclass(frozen=True)
class FaceGrade:
    """The grade of the faces of one case.

    The differences are the largest over all pairs of an expected face and a found face.

    Attributes:
        grade: The grade.
        reason: Why the grade is not better; empty if it is exact.
        expected: Number of expected faces.
        found: Number of found faces.
        box: Largest difference of a box coordinate, in pixels.
        score: Largest difference of a score.
        landmark: Largest difference of a landmark coordinate, in pixels; None if the result has no landmarks.
        iou: Smallest intersection over union of a pair.
    """

    grade: Grade
    reason: str
    expected: int
    found: int
    box: float = 0.0
    score: float = 0.0
    landmark: float | None = None
    iou: float = 1.0


def grade_faces(expected: Detections, found: Result) -> FaceGrade:
    """Grade the faces. Faces are paired by overlap. Only the grade `exact` requires the same order."""
    counts = len(expected), len(found.scores)
    pairs = pair_boxes(expected.boxes, found.boxes)
    unpaired = next((pair for pair in pairs if pair.a is None or pair.b is None), None)
    if unpaired is not None:
        return FaceGrade(
            Grade.DIFFERENT, _describe_unpaired(expected, found, unpaired.a, unpaired.b), *counts
        )
    first = [pair.a for pair in pairs if pair.a is not None]
    second = [pair.b for pair in pairs if pair.b is not None]
    arrays = [(expected.boxes[first], found.boxes[second]), (expected.scores[first], found.scores[second])]
    if found.landmarks is not None:
        arrays.append((expected.landmarks[first], found.landmarks[second]))
    differences = [_largest_difference(*pair) for pair in arrays]
    iou = min((pair.iou for pair in pairs), default=1.0)
    landmark = differences[2] if len(differences) == 3 else None
    grade, reason = _grade_pairs(arrays, differences, iou, first == second)
    return FaceGrade(grade, reason, *counts, differences[0], differences[1], landmark, iou)


def _grade_pairs(
    arrays: list[tuple[FloatArray, FloatArray]], differences: list[float], iou: float, same_order: bool
) -> tuple[Grade, str]:
    """Return the grade of paired faces and its reason."""
    reason = f"boxes differ by up to {differences[0]:.2g} px, scores by up to {differences[1]:.2g}"
    if len(differences) == 3:
        reason += f", landmarks by up to {differences[2]:.2g} px"
    if iou < MIN_IOU:
        return Grade.DIFFERENT, f"the two boxes of a face overlap by an IoU of only {iou:.2f}"
    if same_order and all(a.tobytes() == b.tobytes() for a, b in arrays):
        return Grade.EXACT, ""
    if max(float(ulp_distance(a, b).max(initial=0)) for a, b in arrays) <= MAX_ULPS:
        return Grade.ULP_CLOSE, reason if same_order else "the faces are in another order; " + reason
    allowed = (BOX_TOLERANCE, SCORE_TOLERANCE, BOX_TOLERANCE)
    if all(value <= limit for value, limit in zip(differences, allowed, strict=False)):
        return Grade.CLOSE, reason
    return Grade.SAME_FACES, reason


def _largest_difference(a: FloatArray, b: FloatArray) -> float:
    return float(np.abs(a.astype(np.float64) - b).max(initial=0.0))


def _describe_unpaired(expected: Detections, found: Result, a: int | None, b: int | None) -> str:
    counts = f"{len(expected)} faces expected, {len(found.scores)} found; "
    if a is not None:
        return f"{counts}expected face {a} was not found ({_describe_box(expected.boxes[a])})"
    assert b is not None
    return f"{counts}found face {b} is not expected ({_describe_box(found.boxes[b])})"


def _describe_box(box: FloatArray) -> str:
    x, y, width, height = box
    return f"{width:.1f} x {height:.1f} at ({x:.1f}, {y:.1f})"


@dataclass(frozen=True)
class LayerGrade:
    """The grade of one layer or list of boxes over all levels or crops, for example `pnet/level*/conv1`.

    Attributes:
        layer: Name of the layer.
        grade: The worst grade of its tensors.
        tensors: Number of compared tensors.
        share: Largest difference, as a share of the layer's greatest magnitude. None if the result has only
            hashes.
        reason: Why the grade is not better; empty if it is exact.
    """

    layer: str
    grade: Grade
    tensors: int
    share: float | None
    reason: str


def grade_layers(expected: Trace, found: Result) -> tuple[list[LayerGrade], int, list[str]]:
    """Grade the tensors of a result.

    `grade_faces` grades the faces. This function compares the tensors of the faces (final/…) only if the
    result contains these tensors.

    Returns:
        The grades in execution order, the number of tensors that the result should contain, and notes on
        everything that was not compared. The number includes only those tensors of the faces that the result
        contains.
    """
    given = list(filter(found.has, expected))
    missing = [name for name in expected if not found.has(name) and not name.startswith("final/")]
    magnitudes = LayerMagnitudes(expected)
    graded = {name: _grade_tensor(expected, found, name, magnitudes) for name in given}
    notes = [*_describe_missing(missing, len(given)), *_describe_unknown(expected, found)]
    return list(_group_by_layer(graded)), len(given) + len(missing), notes


def _describe_missing(missing: list[str], given: int) -> Iterator[str]:
    """Yield a note on the tensors of the case that the result does not contain, grouped by kind."""
    if missing:
        kinds = Counter(map(template, missing))
        listed = [f"{kind} ({count})" if "*" in kind else kind for kind, count in kinds.items()]
        more = f" and {len(listed) - MAX_LISTED} more kinds" if len(listed) > MAX_LISTED else ""
        total = given + len(missing)
        yield f"not given: {len(missing)} of {total} tensors: {', '.join(listed[:MAX_LISTED])}{more}"


def _group_by_layer(graded: Mapping[str, tuple[Grade, float | None, str]]) -> Iterator[LayerGrade]:
    layers: dict[str, list[tuple[str, Grade, float | None, str]]] = {}
    for name, result in graded.items():
        layers.setdefault(template(name), []).append((name, *result))
    for layer, rows in layers.items():
        worst = max(rows, key=lambda row: (row[1], row[2] or 0.0))
        shares = [row[2] for row in rows if row[2] is not None]
        reason = f"{worst[0]}: {worst[3]}" if worst[3] else ""
        yield LayerGrade(layer, worst[1], len(rows), max(shares, default=None), reason)


def _grade_tensor(
    expected: Trace, found: Result, name: str, magnitudes: LayerMagnitudes
) -> tuple[Grade, float | None, str]:
    """Return grade, share and reason of one tensor."""
    if found.hashes.get(name, expected.info(name).sha256) != expected.info(name).sha256:
        if name not in found.layers:
            return Grade.SAME_FACES, None, "its SHA-256 differs; give its values (NPZ) to see by how much"
        return (
            Grade.DIFFERENT,
            None,
            "the given SHA-256 is not the expected one; the values were not compared",
        )
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
    return _grade_values(a, b, name.rpartition("/")[2], magnitudes[name])


def _grade_values(
    a: NDArray[Any], b: NDArray[Any], tensor: str, magnitude: float
) -> tuple[Grade, float | None, str]:
    """Return grade, share and reason of values that differ."""
    if a.dtype.kind != "f":
        return Grade.DIFFERENT, None, f"{np.count_nonzero(a != b)} of {a.size} indices differ"
    if not np.isfinite(b).all():
        return Grade.DIFFERENT, math.inf, f"{np.count_nonzero(~np.isfinite(b))} values are NaN or infinite"
    difference = float(np.abs(a.astype(np.float64) - b).max())
    share = difference / max(magnitude, 1e-30)
    reason = (
        f"{np.count_nonzero(a != b)} of {a.size} values differ, by up to {share:.2g} of the layer's greatest"
    )
    if float(ulp_distance(a, b).max()) <= MAX_ULPS:
        return Grade.ULP_CLOSE, share, reason
    allowed = LAYER_TOLERANCE * magnitude
    if tensor in PIXEL_TENSORS:
        allowed = BOX_TOLERANCE
    elif tensor in PROBABILITY_TENSORS:
        allowed = SCORE_TOLERANCE
    return (Grade.CLOSE if difference <= allowed else Grade.DIFFERENT), share, reason + _probable_cause(a, b)


def _probable_cause(a: NDArray[Any], b: NDArray[Any]) -> str:
    """Return the cause of a difference if the values show it, else an empty text."""
    if len(a) == 3 and np.array_equal(a, b[::-1]):
        return "; red and blue are swapped"
    if a.ndim == 3 and a.shape[1] == a.shape[2] and np.array_equal(a, b.swapaxes(1, 2)):
        return "; x and y are swapped"
    return ""


def _describe_unknown(expected: Trace, found: Result) -> Iterator[str]:
    """Yield a note on tensors of the result that the case does not contain."""
    unknown = [name for name in dict.fromkeys([*found.layers, *found.hashes]) if name not in expected]
    if unknown:
        first = f"{safe_text(unknown[0], 200)!r}{suggest_names(unknown[0], expected)}"
        yield f"not compared: {len(unknown)} tensors that the case does not have; the first is {first}"
