"""Lists of boxes are compared as sets: nearly equal scores may change places, if a tolerance allows it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from mtcnn_cpp.trace import Judge, Trace
from mtcnn_cpp.trace.judge.rounding import rounding

Arrays = dict[str, np.ndarray]
TOLERANCE = {"*": {"share": 1e-5}}


def detection(swapped: bool, apart: float = 1e-6, noise: float = 0.0) -> Arrays:
    """The lists of a small detection. Boxes 1 and 2 have scores that differ by `apart`; if swapped, the other
    way round, so that they change places in every list."""
    scores = np.array([0.9, 0.8, 0.8, 0.7])
    scores[1 if swapped else 2] += apart
    scores = (scores + noise).astype(np.float32)
    boxes = np.array([[9, 9, 30, 30], [99, 9, 30, 30], [9, 99, 30, 30], [99, 99, 30, 30]], np.float32)
    offsets = np.arange(16, dtype=np.float32).reshape(4, 4) / 32 + np.float32(noise)
    picks = np.argsort(-scores, kind="stable").astype(np.int32)
    level = {"boxes": boxes, "scores": scores, "offsets": offsets, "nms_keep": picks}
    found = {f"pnet/level00/{name}": array for name, array in level.items()}
    found |= {f"pnet/{name}": level[name][picks] for name in ("boxes", "scores", "offsets")}
    found["pnet/nms_keep"] = np.arange(4, dtype=np.int32)
    squares = boxes[picks] + 1
    found["rnet/boxes_in"] = squares
    for row, box in enumerate(picks):
        found[f"rnet/crop{row:03d}/input"] = np.full((3, 2, 2), box + 1 + noise, np.float32)
    chances = np.array([0.2, 0.95, 0.9, 0.8], np.float32)[picks]
    found["rnet/scores"], found["rnet/offsets"] = chances, offsets[picks]
    keep = np.flatnonzero(chances >= 0.7).astype(np.int32)
    nms_keep = np.argsort(-chances[keep], kind="stable").astype(np.int32)
    found["rnet/keep"], found["rnet/nms_keep"] = keep, nms_keep
    last = squares[keep[nms_keep]]
    certain = np.array([0.99, 0.98, 0.97], np.float32)
    found |= {"onet/boxes_in": last, "onet/scores": certain, "onet/keep": np.arange(3, dtype=np.int32)}
    found |= {"onet/nms_keep": np.arange(3, dtype=np.int32), "onet/boxes_out": last}
    return found | {"final/boxes": last + np.float32(noise), "final/scores": certain}


def compare(first: Arrays, second: Arrays, tolerance: object = None) -> object:
    return Judge(tolerance).compare(Trace.from_arrays(first), Trace.from_arrays(second))  # type: ignore[arg-type]


def test_places_that_nearly_equal_scores_changed() -> None:
    a, b = detection(False), detection(True, noise=1e-6)
    report = compare(a, b, TOLERANCE)
    assert report.ok, report.headline
    moved = {row.name: row for row in report.rows if row.reordered}
    assert set(moved) == {
        *("pnet/level00/nms_keep", "pnet/boxes", "pnet/offsets"),
        *("rnet/boxes_in", "rnet/crop001/input", "rnet/crop002/input", "rnet/scores", "rnet/offsets"),
        "rnet/nms_keep",
    }
    for row in moved.values():
        assert row.verdict == "close"
        assert row.reason.startswith("same boxes, another order")
    assert moved["rnet/crop001/input"].figures.absolute.maximum < 1e-5


def test_without_a_tolerance_the_order_counts() -> None:
    report = compare(detection(False), detection(True))
    assert not report.ok
    rows = {row.name: row for row in report.rows}
    assert rows["pnet/level00/nms_keep"].reason == "same boxes, another order"
    assert rows["rnet/crop001/input"].verdict == "different"
    noise = rounding(report)
    assert noise is not None
    assert noise.reordered == 9
    assert "9 hold the same boxes, another order" in str(noise)


def test_scores_that_are_apart_do_not_change_places() -> None:
    a = detection(False)
    b = detection(True)
    for arrays, scores in ((a, [0.9, 0.8, 0.7, 0.6]), (b, [0.9, 0.8, 0.7, 0.6])):
        arrays["pnet/level00/scores"] = np.array(scores, np.float32)
    report = compare(a, b, TOLERANCE)
    assert not report.ok
    failed = {row.name for row in report.rows if not row.ok}
    assert {"pnet/level00/nms_keep", "pnet/boxes", "rnet/boxes_in", "rnet/crop001/input"} <= failed
    assert not any(row.reordered for row in report.rows)


def test_faces_in_a_wrong_order() -> None:
    """A port that returns the faces as it likes is not excused."""
    a, b = detection(False), detection(False)
    for name in ("final/boxes", "final/scores"):
        b[name] = b[name][::-1].copy()
    report = compare(a, b, TOLERANCE)
    assert [row.name for row in report.rows if not row.ok] == ["final/boxes", "final/scores"]


def change(name: str, edit: Callable[[np.ndarray], np.ndarray]) -> Callable[[Arrays], None]:
    def changed(arrays: Arrays) -> None:
        arrays[name] = edit(arrays[name].copy())

    return changed


def other(array: np.ndarray) -> np.ndarray:
    array.flat[-1] += 1
    return array


@pytest.mark.parametrize(
    "name", ["rnet/crop001/input", "rnet/crop002/input", "rnet/scores", "rnet/offsets", "pnet/offsets"]
)
def test_a_fault_beside_another_order(name: str) -> None:
    """The same boxes in another order, and one of their values is wrong."""
    b = detection(True)
    change(name, other)(b)
    report = compare(detection(False), b, TOLERANCE)
    assert len([row for row in report.rows if not row.ok]) == 1


@pytest.mark.parametrize(
    ("name", "edit"),
    [
        ("pnet/level00/nms_keep", lambda array: array + 1000),
        ("pnet/level00/nms_keep", lambda array: -array - 1),
        ("pnet/level00/nms_keep", lambda array: array[:0]),
        ("pnet/level00/nms_keep", lambda array: array * 0),
        ("pnet/level00/nms_keep", lambda array: array.reshape(2, 2)),
        ("pnet/level00/scores", lambda array: array * np.float32("nan")),
        ("pnet/boxes", lambda array: array[:2]),
        ("pnet/nms_keep", lambda array: array.astype(np.float32)),
        ("rnet/keep", lambda array: array - 7),
        ("rnet/boxes_in", lambda array: array[:, 0]),
        ("rnet/boxes_in", lambda array: array * np.float32("inf")),
    ],
)
@pytest.mark.parametrize("side", [0, 1])
def test_lists_that_are_none(name: str, edit: Callable[[np.ndarray], np.ndarray], side: int) -> None:
    """Traces of other programs may hold anything under these names."""
    sides = [detection(False), detection(True)]
    change(name, edit)(sides[side])
    report = compare(*sides, TOLERANCE)
    assert not report.ok


def test_lists_that_are_missing() -> None:
    """What one trace lacks explains no order."""
    names = ["pnet/level00/scores", "rnet/boxes_in", "rnet/crop001/input"]
    sides = [{name: arrays[name] for name in names} for arrays in (detection(False), detection(True))]
    report = compare(*sides, TOLERANCE)
    assert [row.name for row in report.rows if not row.ok] == names[1:]
