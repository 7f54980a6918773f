"""Results and their rows."""

from __future__ import annotations

import numpy as np
import pytest
from mtcnn_cpp import Detections
from mtcnn_cpp.jobs.table.rows import COLUMN_TYPES, COLUMNS, FrameResult, make_rows
from results import some_faces


def test_the_columns() -> None:
    assert COLUMNS[:10] == (
        *("source", "frame", "face_id", "timestamp", "confidence", "success"),
        *("x", "y", "width", "height"),
    )
    assert COLUMNS[10:13] == ("left_eye_x", "left_eye_y", "right_eye_x")
    assert COLUMNS[-3:] == ("image_width", "image_height", "error")
    assert len(COLUMNS) == len(set(COLUMNS)) == 23


def test_one_row_per_face() -> None:
    faces = some_faces(3)
    found = make_rows(FrameResult("a.mp4", 4, 0.125, faces))
    assert [row["face_id"] for row in found] == [0, 1, 2]
    for row, face in zip(found, faces, strict=True):
        assert tuple(row) == COLUMNS
        assert (row["source"], row["frame"], row["timestamp"], row["success"]) == ("a.mp4", 5, 0.125, 1)
        assert (row["image_width"], row["image_height"], row["error"]) == (640, 480, None)
        numbers = [row[name] for name, kind in COLUMN_TYPES.items() if kind == "float32"]
        expected = np.concatenate([[face.score], face.box, face.landmarks.ravel()])
        assert np.array_equal(np.array(numbers, np.float32).view(np.uint32), expected.view(np.uint32))
        assert [str(number) for number in numbers] == [str(float(str(number))) for number in expected]
        assert {type(row[name]) for name, kind in COLUMN_TYPES.items() if kind.startswith("int")} == {int}


def test_no_face_and_a_failure_are_rows() -> None:
    (none,) = make_rows(FrameResult("a.jpg", faces=some_faces(0)))
    (failed,) = make_rows(FrameResult("b.jpg", 2, 0.5, error="no picture"))
    filled = {name: value for name, value in none.items() if value is not None}
    size = {"image_width": 640, "image_height": 480}
    assert filled == {"source": "a.jpg", "frame": 1, "timestamp": 0.0, "success": 0, **size}
    filled = {name: value for name, value in failed.items() if value is not None}
    assert filled == {"source": "b.jpg", "frame": 3, "timestamp": 0.5, "success": 0, "error": "no picture"}


def test_given_numbers_of_faces() -> None:
    found = make_rows(FrameResult("a", faces=some_faces(2), face_ids=(7, 3)))
    assert [row["face_id"] for row in found] == [7, 3]
    with pytest.raises(ValueError, match="face_ids must be 2 numbers, one per face, got 1"):
        FrameResult("a", faces=some_faces(2), face_ids=(7,))
    with pytest.raises(ValueError, match="face_ids must be 0 numbers, one per face, got 1"):
        FrameResult("a", error="damaged", face_ids=(7,))
    assert FrameResult("a", error="damaged", face_ids=()).face_ids == ()


def test_faces_with_an_error_keep_both() -> None:
    found = make_rows(FrameResult("a", faces=some_faces(2), error="annotation not saved"))
    assert [(row["success"], row["error"]) for row in found] == [(1, "annotation not saved")] * 2


def test_neither_faces_nor_an_error() -> None:
    with pytest.raises(ValueError, match=r"'a\.jpg' has neither faces nor an error"):
        FrameResult("a.jpg")


def test_what_is_not_finite_is_missing() -> None:
    box = np.array([[np.nan, np.inf, -np.inf, 1]], np.float32)
    faces = Detections(box, np.ones(1, np.float32), np.zeros((1, 5, 2), np.float32), (4, 4))
    (row,) = make_rows(FrameResult("a", time=float("nan"), faces=faces))
    assert [row[name] for name in ("x", "y", "width", "height", "timestamp")] == [None, None, None, 1.0, None]


def test_a_long_error_is_cut() -> None:
    (row,) = make_rows(FrameResult("a", error="e" * 1_000_000))
    assert row["error"] == "e" * 9999 + "…"
