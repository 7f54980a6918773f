"""The faces of two detections side by side: which belong together, and how far apart they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...detections import Detections
from ..file.trace import Trace

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

    The two that overlap most are paired first. Pairs stand in a's order; boxes of b without a partner follow.
    """
    x, y = a.astype(np.float64), b.astype(np.float64)
    overlaps = np.array([[_iou(p, q) for q in y] for p in x]).reshape(len(x), len(y))
    partner: dict[int, int] = {}
    for place in np.argsort(-overlaps, axis=None, kind="stable"):
        i, j = map(int, np.unravel_index(place, overlaps.shape))
        if overlaps[i, j] > 0 and i not in partner and j not in partner.values():
            partner[i] = j
    pairs = []
    for i in range(len(x)):
        if i in partner:
            j = partner[i]
            pairs.append(Pair(i, j, float(overlaps[i, j]), tuple((y[j] - x[i]).tolist())))
        else:
            pairs.append(Pair(i, None))
    return pairs + [Pair(None, j) for j in range(len(y)) if j not in partner.values()]


def _iou(p: NDArray[Any], q: NDArray[Any]) -> float:
    size = np.minimum(p[:2] + p[2:], q[:2] + q[2:]) - np.maximum(p[:2], q[:2])
    shared = float(np.prod(np.maximum(size, 0)))
    union = float(np.prod(p[2:]) + np.prod(q[2:])) - shared
    return shared / union if union > 0 else 0.0
