"""Boxes of two detections: pairs of faces, and lists that contain the same boxes in different orders."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...detections.result import Detections
from ...reference.boxes import Indices
from ..errors import TraceError
from ..trace import Trace

CHUNK = 1 << 18  # maximum number of overlaps that are computed in one step
_NAMES = ("final/boxes", "final/scores", "final/landmarks")


@dataclass(frozen=True)
class FacePair:
    """A face of detection a and its partner in detection b.

    If a face has no partner, the index of the partner is None.

    a, b: Indices of the boxes. iou: Intersection over union. offset: b - a for x, y, width and height, in
    pixels.
    """

    a: int | None
    b: int | None
    iou: float = 0.0
    offset: tuple[float, ...] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The pair as JSON-compatible values. The attribute `offset` is stored as `apart`."""
        offset = None if self.offset is None else list(self.offset)
        return {"a": self.a, "b": self.b, "iou": self.iou, "apart": offset}


def final_detections(trace: Trace) -> Detections | None:
    """Return the detections in a trace, or None if it does not contain them."""
    if trace.manifest.capture != "full" or any(name not in trace for name in _NAMES):
        return None
    boxes, scores, landmarks = (np.asarray(trace[name], np.float32) for name in _NAMES)
    size = trace.manifest.image.shape[:2] if trace.manifest.image else (0, 0)
    return Detections(boxes, scores, landmarks, (size[0], size[1]))


def pair_boxes(a: NDArray[np.float32], b: NDArray[np.float32]) -> list[FacePair]:
    """Pair the boxes (N, 4) of a with the boxes (M, 4) of b. A box is x, y, width, height in pixels.

    The pair with the greatest overlap is formed first. If overlaps are equal, the order of a decides, then
    the order of b. The result has the order of a; boxes of b without a partner follow.
    """
    x, y = a.astype(np.float64), b.astype(np.float64)
    partner: dict[int, tuple[int, float]] = {}
    paired: set[int] = set()
    for i, j, iou in _overlapping(x, y):
        if i not in partner and j not in paired:
            partner[i] = j, iou
            paired.add(j)
    pairs = []
    for i in range(len(x)):
        if i in partner:
            j, iou = partner[i]
            pairs.append(FacePair(i, j, iou, tuple((y[j] - x[i]).tolist())))
        else:
            pairs.append(FacePair(i, None))
    return pairs + [FacePair(None, j) for j in range(len(y)) if j not in paired]


def _overlapping(x: NDArray[np.float64], y: NDArray[np.float64]) -> list[tuple[int, int, float]]:
    """Return index in x, index in y, and intersection over union (IoU) of all pairs of boxes that overlap.

    The pairs are sorted by descending IoU.
    """
    found = []
    step = max(1, CHUNK // max(1, len(y)))
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
    """Return the intersection over union of boxes (..., 4); 0 if the union is not positive."""
    with np.errstate(all="ignore"):
        ends = np.minimum(p[..., :2] + p[..., 2:], q[..., :2] + q[..., 2:])
        shared = np.maximum(ends - np.maximum(p[..., :2], q[..., :2]), 0).prod(axis=-1)
        union = p[..., 2:].prod(axis=-1) + q[..., 2:].prod(axis=-1) - shared
        return np.where(union > 0, shared / union, 0.0)


# Two boxes may change places if their scores differ by at most this number. If sums are added in a different
# order, a score changes by up to 2e-5.
NEAR = 4e-5
SAME_BOX = 0.01  # pixels
ANOTHER_ORDER = "same boxes, another order"

_CROP = re.compile(r"(rnet|onet)/crop(\d+)/(.+)")
_LEVEL = re.compile(r"pnet/level\d+")
_BY_BOX = {  # maps each tensor with one row per box to the list that defines the order of its rows
    **{f"pnet/{name}": "pnet" for name in ("boxes", "scores", "offsets")},
    **{f"rnet/{name}": "rnet" for name in ("boxes_in", "scores", "offsets")},
    **{f"onet/{name}": "onet" for name in ("boxes_in", "scores", "offsets", "landmarks")},
    "onet/boxes_out": "final",
    **{f"final/{name}": "final" for name in ("boxes", "scores", "landmarks")},
}


class BoxOrder:
    """The order of the boxes in each list of b, relative to the list with the same name in a.

    Two lists count as the same boxes in a different order under two conditions. Both lists contain the same
    boxes, and the boxes that changed places have nearly equal scores (difference at most NEAR).
    """

    def __init__(self, a: Trace, b: Trace) -> None:
        self._a = a
        self._b = b
        self._found: dict[str, Indices | None] = {}

    def values(self, name: str) -> NDArray[Any] | None:
        """Return a tensor of b in the order of a, or None if the order is the same or the boxes differ."""
        if self._a.manifest.capture != "full" or self._b.manifest.capture != "full":
            return None
        try:
            return self._values(name)
        except (TraceError, IndexError, ValueError):  # a tensor is missing or has an unexpected content
            return None

    def _values(self, name: str) -> NDArray[Any] | None:
        if crop := _CROP.fullmatch(name):
            order = self._order(crop[1])
            number = int(crop[2])
            if order is None or order[number] == number:
                return None
            return self._b[f"{crop[1]}/crop{order[number]:03d}/{crop[3]}"]
        if name in _BY_BOX:
            order = self._order(_BY_BOX[name])
            return None if order is None or _is_same(order) else self._b[name][order]
        stage, _, kind = name.rpartition("/")
        if kind == "nms_keep":
            order = self._order(f"{stage} picks")
            # Both lists contain the same boxes, but these boxes have different indices.
            return None if order is None or np.array_equal(self._a[name], self._b[name]) else self._a[name]
        if kind == "keep" and stage in ("rnet", "onet"):
            order = self._order(stage)
            if order is not None and not _is_same(order):
                return np.sort(_inverse(order)[self._b[name]]).astype(np.int32)
        return None

    def _order(self, boxes: str) -> Indices | None:
        if boxes not in self._found:
            self._found[boxes] = None  # this remains the result if the search raises an error
            self._found[boxes] = self._find_order(boxes)
        return self._found[boxes]

    def _find_order(self, boxes: str) -> Indices | None:
        """Return the row in b for each row in a, or None if the lists do not contain the same boxes."""
        if boxes == "pnet":
            return self._order_of_survivors()
        if boxes == "rnet":
            return self._order_of_squares("rnet", "pnet picks")
        if boxes == "onet":
            return self._order_of_squares("onet", "rnet picks")
        if boxes == "final":
            order = _match_rows(self._a["final/boxes"], self._b["final/boxes"])
            return order if _is_nearly_sorted(self._a["final/scores"], order) else None
        return self._order_of_picks(boxes.removesuffix(" picks"))

    def _order_of_survivors(self) -> Indices | None:
        """Return the order of the boxes that remain after the suppression in each level.

        The orders of all levels are concatenated.
        """
        levels = sorted({match[0] for name in self._a if (match := _LEVEL.match(name))})
        orders = []
        count = 0
        for level in levels:
            order = self._order(f"{level} picks")
            if order is None:
                return None
            orders.append(order + count)
            count += len(order)
        if not count == len(self._a["pnet/boxes"]) == len(self._b["pnet/boxes"]):
            return None
        return np.concatenate([np.empty(0, np.int32), *orders]).astype(np.int32)

    def _order_of_squares(self, stage: str, source: str) -> Indices | None:
        """Return the order of a network's input boxes.

        These boxes are integers. The suppression `source`, which precedes the network, determines their
        order.
        """
        if self._order(source) is None:
            return None
        return _match_rows(self._a[f"{stage}/boxes_in"], self._b[f"{stage}/boxes_in"])

    def _order_of_picks(self, stage: str) -> Indices | None:
        """Return the order of the boxes that a suppression picked."""
        first, second = self._a[f"{stage}/nms_keep"], self._b[f"{stage}/nms_keep"]
        if stage in ("rnet", "onet"):
            first, second = self._a[f"{stage}/keep"][first], self._b[f"{stage}/keep"][second]
        if _LEVEL.fullmatch(stage):
            boxes = f"{stage}/boxes"
            if not np.array_equal(self._a[boxes], self._b[boxes]):
                return None
        else:
            order = self._order(stage)
            if order is None:
                return None
            second = _inverse(order)[second]
        if not np.array_equal(np.sort(first), np.sort(second)):
            return None
        ranks = np.argsort(np.argsort(first, kind="stable"))
        picked: Indices = np.argsort(second, kind="stable")[ranks].astype(np.int32)
        return picked if _is_nearly_sorted(self._a[f"{stage}/scores"][first], picked) else None


def _is_same(order: Indices) -> bool:
    return np.array_equal(order, np.arange(len(order)))


def _inverse(order: Indices) -> Indices:
    result = np.empty_like(order)
    result[order] = np.arange(len(order))
    return result


def _is_nearly_sorted(scores: NDArray[Any], order: Indices | None) -> bool:
    """Return whether the scores of a descend in the order of a, and also in the order of b.

    Increases of at most NEAR are ignored.
    """
    if order is None:
        return False
    for listed in (scores.astype(np.float64), scores[_inverse(order)].astype(np.float64)):
        best_after = np.maximum.accumulate(listed[::-1])[::-1]
        if not np.all(best_after - listed <= NEAR):
            return False
    return True


def _match_rows(a: NDArray[Any], b: NDArray[Any]) -> Indices | None:
    """Return the row of the same box in b for each box of a; None if a box has no match."""
    if a.shape != b.shape:
        return None
    order = np.arange(len(a), dtype=np.int32)
    left = np.flatnonzero(~_are_same(a, b))
    free = left.tolist()
    for row in left:
        found = np.flatnonzero(_are_same(a[row], b[free]))
        if not found.size:
            return None
        order[row] = free.pop(int(found[0]))
    return order


def _are_same(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.bool_]:
    return np.asarray((np.abs(a.astype(np.float64) - b) <= SAME_BOX).all(axis=-1))
