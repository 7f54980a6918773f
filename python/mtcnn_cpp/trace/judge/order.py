"""The same boxes in another order: two scores that are nearly equal may change places, and with them all that
is listed by box from there on."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...reference.boxes import Indices
from ..errors import TraceError
from ..file.trace import Trace

NEAR = 4e-5  # scores that may change places: each moves by 2e-5 at most where only the order of sums differs
SAME_BOX = 0.01  # pixels
ANOTHER_ORDER = "same boxes, another order"

_CROP = re.compile(r"(rnet|onet)/crop(\d+)/(.+)")
_LEVEL = re.compile(r"pnet/level\d+")
_BY_BOX = {  # the lists in which each tensor has one row per box
    **{f"pnet/{name}": "pnet" for name in ("boxes", "scores", "offsets")},
    **{f"rnet/{name}": "rnet" for name in ("boxes_in", "scores", "offsets")},
    **{f"onet/{name}": "onet" for name in ("boxes_in", "scores", "offsets", "landmarks")},
    "onet/boxes_out": "final",
    **{f"final/{name}": "final" for name in ("boxes", "scores", "landmarks")},
}


class BoxOrder:
    """The order of b's boxes against a's, list by list.

    A list is in another order if it has the same boxes, and the scores of those that changed places are
    within NEAR of each other.
    """

    def __init__(self, a: Trace, b: Trace) -> None:
        self._a = a
        self._b = b
        self._found: dict[str, Indices | None] = {}

    def values(self, name: str) -> NDArray[Any] | None:
        """b's values of a tensor in a's order; None if the order is the same, or the boxes are not."""
        if self._a.manifest.capture != "full" or self._b.manifest.capture != "full":
            return None
        try:
            return self._values(name)
        except (
            TraceError,
            IndexError,
            ValueError,
        ):  # a tensor is missing, or holds no lists of this detector
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
            # The same boxes, whatever their numbers.
            return None if order is None or np.array_equal(self._a[name], self._b[name]) else self._a[name]
        if kind == "keep" and stage in ("rnet", "onet"):
            order = self._order(stage)
            if order is not None and not _is_same(order):
                return np.sort(_inverse(order)[self._b[name]]).astype(np.int32)
        return None

    def _order(self, what: str) -> Indices | None:
        if what not in self._found:
            self._found[what] = None  # if what follows raises
            self._found[what] = self._find_order(what)
        return self._found[what]

    def _find_order(self, what: str) -> Indices | None:
        """For each row of a's list, the row of b's; None where they do not hold the same boxes."""
        if what == "pnet":
            return self._of_survivors()
        if what == "rnet":
            return self._of_squares("rnet", "pnet picks")
        if what == "onet":
            return self._of_squares("onet", "rnet picks")
        if what == "final":
            order = _match_rows(self._a["final/boxes"], self._b["final/boxes"])
            return order if _is_nearly_sorted(self._a["final/scores"], order) else None
        return self._of_picks(what.removesuffix(" picks"))

    def _of_survivors(self) -> Indices | None:
        """All levels' survivors, level by level."""
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

    def _of_squares(self, stage: str, source: str) -> Indices | None:
        """The boxes that enter a network: whole numbers, in the order in which they were picked before."""
        if self._order(source) is None:
            return None
        return _match_rows(self._a[f"{stage}/boxes_in"], self._b[f"{stage}/boxes_in"])

    def _of_picks(self, stage: str) -> Indices | None:
        """What a suppression picked, as numbers of a's boxes."""
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
    """Whether a's scores fall in its own order and in b's, but for differences of NEAR."""
    if order is None:
        return False
    for listed in (scores.astype(np.float64), scores[_inverse(order)].astype(np.float64)):
        best_after = np.maximum.accumulate(listed[::-1])[::-1]
        if not np.all(best_after - listed <= NEAR):
            return False
    return True


def _match_rows(a: NDArray[Any], b: NDArray[Any]) -> Indices | None:
    """For each box of a the same box of b, its own row first; None unless every box has its own."""
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
