"""Pairs of faces equal those of a plain definition, also for ties."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mtcnn_cpp.trace.comparison import boxes as boxes_module
from mtcnn_cpp.trace.comparison.boxes import FacePair, pair_boxes
from numpy.typing import NDArray


def plain_pairs(a: NDArray[np.float32], b: NDArray[np.float32]) -> list[FacePair]:
    """Pair the boxes one by one, in the order of descending overlap."""
    x, y = a.astype(np.float64), b.astype(np.float64)
    overlaps = np.array([[iou(p, q) for q in y] for p in x]).reshape(len(x), len(y))
    partner: dict[int, int] = {}
    for place in np.argsort(-overlaps, axis=None, kind="stable"):
        i, j = map(int, np.unravel_index(place, overlaps.shape))
        if overlaps[i, j] > 0 and i not in partner and j not in partner.values():
            partner[i] = j
    pairs = [
        FacePair(i, partner[i], float(overlaps[i, partner[i]]), tuple((y[partner[i]] - x[i]).tolist()))
        if i in partner
        else FacePair(i, None)
        for i in range(len(x))
    ]
    return pairs + [FacePair(None, j) for j in range(len(y)) if j not in partner.values()]


def iou(p: NDArray[Any], q: NDArray[Any]) -> float:
    size = np.minimum(p[:2] + p[2:], q[:2] + q[2:]) - np.maximum(p[:2], q[:2])
    shared = float(np.prod(np.maximum(size, 0)))
    union = float(np.prod(p[2:]) + np.prod(q[2:])) - shared
    return shared / union if union > 0 else 0.0


def random_boxes(rng: np.random.Generator, count: int, kind: str) -> NDArray[np.float32]:
    if kind == "grid":  # whole numbers on a small grid: many equal overlaps
        return rng.integers(0, 4, (count, 4)).astype(np.float32)
    boxes = rng.uniform(0, 60, (count, 4)).astype(np.float32)
    if kind == "twice":
        boxes[count // 2 :] = boxes[: count - count // 2]
    if kind == "odd" and count:
        boxes[rng.integers(count)] = [3, 3, -5, 7]
        boxes[rng.integers(count)] = np.float32("nan")
    return boxes


@pytest.mark.parametrize("kind", ["random", "grid", "twice", "odd"])
@pytest.mark.parametrize("piece", [1, 50, boxes_module.CHUNK])
def test_pairs_are_those_of_the_plain_definition(
    kind: str, piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boxes_module, "CHUNK", piece)
    rng = np.random.default_rng(19)
    for _ in range(40):
        a, b = (random_boxes(rng, int(rng.integers(0, 15)), kind) for _ in range(2))
        with np.errstate(all="ignore"):
            expected = plain_pairs(a, b)
        found = pair_boxes(a, b)
        assert repr(found) == repr(expected)  # the texts of NaN are equal


def test_many_boxes_take_few_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Overlaps are computed together, not pair by pair."""
    calls = []
    compute_ious = boxes_module._ious
    monkeypatch.setattr(boxes_module, "_ious", lambda p, q: calls.append(1) or compute_ious(p, q))
    boxes = np.random.default_rng(0).uniform(0, 900, (400, 4)).astype(np.float32)
    pairs = pair_boxes(boxes, boxes)
    assert [(pair.a, pair.b) for pair in pairs] == [(i, i) for i in range(400)]
    assert len(calls) == 1
