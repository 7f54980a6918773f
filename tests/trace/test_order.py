"""Lists of boxes: those with nearly equal scores may change places if a tolerance allows it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from mtcnn_cpp.trace import ComparisonOptions, Trace
from mtcnn_cpp.trace.comparison.comparison import compare_traces
from mtcnn_cpp.trace.comparison.report import find_rounding_noise

Arrays = dict[str, np.ndarray]
TOLERANCE = {"*": {"share": 1e-5}}


def detection(swapped: bool, score_difference: float = 1e-6, noise: float = 0.0) -> Arrays:
    """The lists of a small detection. The scores of boxes 1 and 2 differ by `score_difference`.

    swapped: Box 2 has the larger score, so the boxes change places in every list.
    """
    scores = np.array([0.9, 0.8, 0.8, 0.7])
    scores[1 if swapped else 2] += score_difference
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
    probabilities = np.array([0.2, 0.95, 0.9, 0.8], np.float32)[picks]
    found["rnet/scores"], found["rnet/offsets"] = probabilities, offsets[picks]
    keep = np.flatnonzero(probabilities >= 0.7).astype(np.int32)
    nms_keep = np.argsort(-probabilities[keep], kind="stable").astype(np.int32)
    found["rnet/keep"], found["rnet/nms_keep"] = keep, nms_keep
    last = squares[keep[nms_keep]]
    certain = np.array([0.99, 0.98, 0.97], np.float32)
    found |= {"onet/boxes_in": last, "onet/scores": certain, "onet/keep": np.arange(3, dtype=np.int32)}
    found |= {"onet/nms_keep": np.arange(3, dtype=np.int32), "onet/boxes_out": last}
    return found | {"final/boxes": last + np.float32(noise), "final/scores": certain}


def compare(first: Arrays, second: Arrays, tolerance: object = None) -> object:
    options = ComparisonOptions(tolerance)  # type: ignore[arg-type]
    return compare_traces(Trace.from_arrays(first), Trace.from_arrays(second), options)


def test_boxes_with_nearly_equal_scores_in_another_order() -> None:
    a, b = detection(False), detection(True, noise=1e-6)
    report = compare(a, b, TOLERANCE)
    assert report.ok, report.headline
    moved = {row.name: row for row in report.tensors if row.reordered}
    assert set(moved) == {
        *("pnet/level00/nms_keep", "pnet/boxes", "pnet/offsets"),
        *("rnet/boxes_in", "rnet/crop001/input", "rnet/crop002/input", "rnet/scores", "rnet/offsets"),
        "rnet/nms_keep",
    }
    for row in moved.values():
        assert row.verdict == "close"
        assert row.reason.startswith("same boxes, another order")
    assert moved["rnet/crop001/input"].statistics.absolute.maximum < 1e-5


def test_without_a_tolerance_the_order_counts() -> None:
    report = compare(detection(False), detection(True))
    assert not report.ok
    rows = {row.name: row for row in report.tensors}
    assert rows["pnet/level00/nms_keep"].reason == "same boxes, another order"
    assert rows["rnet/crop001/input"].verdict == "different"
    noise = find_rounding_noise(report)
    assert noise is not None
    assert noise.reordered == 9
    assert "9 contain the same boxes, another order" in str(noise)


def test_boxes_with_different_scores_do_not_change_places() -> None:
    a = detection(False)
    b = detection(True)
    for arrays, scores in ((a, [0.9, 0.8, 0.7, 0.6]), (b, [0.9, 0.8, 0.7, 0.6])):
        arrays["pnet/level00/scores"] = np.array(scores, np.float32)
    report = compare(a, b, TOLERANCE)
    assert not report.ok
    failed = {row.name for row in report.tensors if not row.ok}
    assert {"pnet/level00/nms_keep", "pnet/boxes", "rnet/boxes_in", "rnet/crop001/input"} <= failed
    assert not any(row.reordered for row in report.tensors)


def test_faces_in_a_wrong_order() -> None:
    """Another order of the final faces is a failure."""
    a, b = detection(False), detection(False)
    for name in ("final/boxes", "final/scores"):
        b[name] = b[name][::-1].copy()
    report = compare(a, b, TOLERANCE)
    assert [row.name for row in report.tensors if not row.ok] == ["final/boxes", "final/scores"]


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
def test_a_fault_in_a_list_with_another_order(name: str) -> None:
    """The same boxes in another order, and one of their values is wrong."""
    b = detection(True)
    change(name, other)(b)
    report = compare(detection(False), b, TOLERANCE)
    assert len([row for row in report.tensors if not row.ok]) == 1


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
def test_invalid_lists(name: str, edit: Callable[[np.ndarray], np.ndarray], side: int) -> None:
    """Traces of other programs may contain any values under these names."""
    sides = [detection(False), detection(True)]
    change(name, edit)(sides[side])
    report = compare(*sides, TOLERANCE)
    assert not report.ok


def test_lists_that_are_missing() -> None:
    """Missing lists do not explain another order."""
    names = ["pnet/level00/scores", "rnet/boxes_in", "rnet/crop001/input"]
    sides = [{name: arrays[name] for name in names} for arrays in (detection(False), detection(True))]
    report = compare(*sides, TOLERANCE)
    assert [row.name for row in report.tensors if not row.ok] == names[1:]
