"""The faces of two detections side by side: which belong together, and how far apart they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...detections import Detections
from ..file.trace import Trace

PIECE = 1 << 18  # overlaps that are computed at a time
_NAMES = ("final/boxes", "final/scores", "final/landmarks")


@dataclass(frozen=True)
class Pair:
    """A face of a and the face of b that overlaps it most; one is None where the other has no partner.

    `iou` is intersection over union; `apart` is b - a of x, y, width, height in pixels.
    """

    a: int | None
    b: int | None
    iou: float = 0.0
    apart: tuple[float, ...] | None = None


def faces_of(trace: Trace) -> Detections | None:
    """The detections that a trace holds; None where it lacks them."""
    if trace.manifest.capture != "full" or any(name not in trace for name in _NAMES):
        return None
    boxes, scores, landmarks = (np.asarray(trace[name], np.float32) for name in _NAMES)
    size = trace.manifest.picture.shape[:2] if trace.manifest.picture else (0, 0)
    return Detections(boxes, scores, landmarks, (size[0], size[1]))


def pair_up(a: NDArray[np.float32], b: NDArray[np.float32]) -> list[Pair]:
    """Pairs of boxes (N, 4) and (M, 4), x y width height in pixels.

    The two that overlap most are paired first; of equal overlaps, the one that is first in a, then in b.
    Pairs stand in a's order; boxes of b without a partner follow.
    """
    x, y = a.astype(np.float64), b.astype(np.float64)
    partner: dict[int, tuple[int, float]] = {}
    taken: set[int] = set()
    for i, j, iou in _overlapping(x, y):
        if i not in partner and j not in taken:
            partner[i] = j, iou
            taken.add(j)
    pairs = []
    for i in range(len(x)):
        if i in partner:
            j, iou = partner[i]
            pairs.append(Pair(i, j, iou, tuple((y[j] - x[i]).tolist())))
        else:
            pairs.append(Pair(i, None))
    return pairs + [Pair(None, j) for j in range(len(y)) if j not in taken]


def _overlapping(x: NDArray[np.float64], y: NDArray[np.float64]) -> list[tuple[int, int, float]]:
    """All pairs of boxes that overlap, with their intersection over union: the greatest first."""
    found = []
    step = max(1, PIECE // max(1, len(y)))
    for start in range(0, len(x), step):
        overlaps = _ious(x[start : start + step, None], y[None])
        rows, columns = np.nonzero(overlaps > 0)
        found.append((rows + start, columns, overlaps[rows, columns]))
    if not found:
        return []
    rows, columns, ious = map(np.concatenate, zip(*found, strict=True))
    order = np.argsort(-ious, kind="stable")
    return list(zip(*(part[order].tolist() for part in (rows, columns, ious)), strict=True))


def _ious(p: NDArray[np.float64], q: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of boxes (..., 4); 0 where their areas are not positive."""
    with np.errstate(all="ignore"):
        ends = np.minimum(p[..., :2] + p[..., 2:], q[..., :2] + q[..., 2:])
        shared = np.maximum(ends - np.maximum(p[..., :2], q[..., :2]), 0).prod(axis=-1)
        union = p[..., 2:].prod(axis=-1) + q[..., 2:].prod(axis=-1) - shared
        return np.where(union > 0, shared / union, 0.0)
