"""The grade of a case's faces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..detections import Detections
from ..trace.judge.faces import pair_up
from ..trace.judge.ulp import ulp_distance
from ..types import FloatArray
from .grades import BOX, IOU, SCORE, ULPS, Grade
from .results import Result


@dataclass(frozen=True)
class FaceGrade:
    """expected, found: how many faces. Over pairs that belong together: the largest differences of boxes
    (pixels), scores and landmarks (pixels, None where none were given), and the smallest overlap. `reason`:
    why the grade is no better; empty where it is exact."""

    grade: Grade
    reason: str
    expected: int
    found: int
    box: float = 0.0
    score: float = 0.0
    landmark: float | None = None
    iou: float = 1.0


def grade_faces(expected: Detections, found: Result) -> FaceGrade:
    """Faces are paired by overlap, so their order counts only for `exact`."""
    counts = len(expected), len(found.scores)
    pairs = pair_up(expected.boxes, found.boxes)
    lonely = next((pair for pair in pairs if pair.a is None or pair.b is None), None)
    if lonely is not None:
        return FaceGrade(Grade.DIFFERENT, _lonely(expected, found, lonely.a, lonely.b), *counts)
    ours = [pair.a for pair in pairs if pair.a is not None]
    theirs = [pair.b for pair in pairs if pair.b is not None]
    sides = [(expected.boxes[ours], found.boxes[theirs]), (expected.scores[ours], found.scores[theirs])]
    if found.landmarks is not None:
        sides.append((expected.landmarks[ours], found.landmarks[theirs]))
    apart = [_apart(*side) for side in sides]
    iou = min((pair.iou for pair in pairs), default=1.0)
    landmark = apart[2] if len(apart) == 3 else None
    grade, reason = _grade(sides, apart, iou, ours == theirs)
    return FaceGrade(grade, reason, *counts, apart[0], apart[1], landmark, iou)


def _grade(
    sides: list[tuple[FloatArray, FloatArray]], apart: list[float], iou: float, in_order: bool
) -> tuple[Grade, str]:
    words = f"boxes up to {apart[0]:.2g} px apart, scores up to {apart[1]:.2g}"
    if len(apart) == 3:
        words += f", landmarks up to {apart[2]:.2g} px"
    if iou < IOU:
        return Grade.DIFFERENT, f"the boxes of a face overlap by {iou:.2f} only (IoU)"
    if in_order and all(a.tobytes() == b.tobytes() for a, b in sides):
        return Grade.EXACT, ""
    if max(float(ulp_distance(a, b).max(initial=0)) for a, b in sides) <= ULPS:
        return Grade.ULP_CLOSE, words if in_order else "the faces are in another order; " + words
    allowed = (BOX, SCORE, BOX)
    if all(value <= most for value, most in zip(apart, allowed, strict=False)):
        return Grade.CLOSE, words
    return Grade.SAME_FACES, words


def _apart(a: FloatArray, b: FloatArray) -> float:
    return float(np.abs(a.astype(np.float64) - b).max(initial=0.0))


def _lonely(expected: Detections, found: Result, a: int | None, b: int | None) -> str:
    words = f"{len(expected)} faces expected, {len(found.scores)} found; "
    if a is not None:
        return f"{words}none at the expected face {a} ({_place(expected.boxes[a])})"
    assert b is not None
    return f"{words}none is expected at face {b} ({_place(found.boxes[b])})"


def _place(box: FloatArray) -> str:
    x, y, width, height = box
    return f"{width:.1f} x {height:.1f} at ({x:.1f}, {y:.1f})"
