"""Exports to tables and objects of other libraries keep all bits."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from mtcnn_cpp import Detections
from mtcnn_cpp.detections.result import FACE_COLUMNS, LANDMARKS


def some_faces(count: int = 3) -> Detections:
    rng = np.random.default_rng(8)
    landmarks = rng.uniform(-1e6, 1e6, (count, 5, 2)).astype(np.float32)
    if count:
        landmarks[0, 0] = np.nan, np.inf
        landmarks[-1, 4] = -0.0, 1e-45
    boxes = rng.uniform(-10, 100, (count, 4)).astype(np.float32)
    return Detections(boxes, rng.uniform(0, 1, count).astype(np.float32), landmarks, (9, 9))


def expected(faces: Detections, name: str) -> np.ndarray:
    if name == "face_id":
        return np.arange(len(faces))
    if name == "confidence":
        return faces.scores
    if name in ("x", "y", "width", "height"):
        return faces.boxes[:, ("x", "y", "width", "height").index(name)]
    point, _, axis = name.rpartition("_")
    return faces.landmarks[:, LANDMARKS.index(point), "xy".index(axis)]


def same_bits(found: np.ndarray, wanted: np.ndarray, name: str) -> bool:
    dtype = np.int64 if name == "face_id" else np.float32
    return found.dtype == dtype and found.tobytes() == np.ascontiguousarray(wanted, dtype).tobytes()


@pytest.mark.parametrize("count", [0, 1, 3])
def test_columns(count: int) -> None:
    faces = some_faces(count)
    columns = faces.columns()
    assert tuple(columns) == FACE_COLUMNS
    assert len(FACE_COLUMNS) == 16
    for name, column in columns.items():
        assert same_bits(column, expected(faces, name), name)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_arrow(count: int) -> None:
    pytest.importorskip("pyarrow", reason="needs pyarrow: pip install pyarrow")
    faces = some_faces(count)
    table = faces.to_arrow()
    assert tuple(table.column_names) == FACE_COLUMNS
    assert str(table.schema.field("x").type) == "float"
    for name in FACE_COLUMNS:
        assert same_bits(table[name].to_numpy(), expected(faces, name), name)
        assert table[name].null_count == 0


@pytest.mark.parametrize("count", [0, 1, 3])
def test_pandas(count: int) -> None:
    pytest.importorskip("pandas", reason="needs pandas: pip install pandas")
    faces = some_faces(count)
    frame = faces.to_pandas()
    assert tuple(frame.columns) == FACE_COLUMNS
    assert len(frame) == count
    for name in FACE_COLUMNS:
        dtype = np.int64 if name == "face_id" else np.float32
        assert same_bits(frame[name].to_numpy(dtype), expected(faces, name), name)
    assert str(frame.dtypes["face_id"]) == "Int64"
    assert str(frame.reindex([0, 5]).dtypes["face_id"]) == "Int64"  # with a missing value


@pytest.mark.parametrize("count", [0, 1, 3])
def test_supervision(count: int) -> None:
    supervision = pytest.importorskip("supervision", reason="needs supervision: pip install supervision")
    faces = some_faces(count)
    found = faces.to_supervision()
    assert isinstance(found, supervision.Detections)
    assert len(found) == count
    assert found.xyxy.tobytes() == faces.xyxy.tobytes()
    assert found.confidence.tobytes() == faces.scores.tobytes()
    assert found.data["landmarks"].tobytes() == faces.landmarks.tobytes()
    assert found.class_id.tolist() == [0] * count
    found.xyxy[...] = 0  # its own
    found.data["boxes"][...] = found.data["landmarks"][...] = 0
    assert not count or (faces.boxes.any() and faces.landmarks.any())
    drawn = supervision.BoxAnnotator().annotate(np.zeros((60, 60, 3), np.uint8), faces.to_supervision())
    assert drawn.any() == bool(count)


@pytest.mark.parametrize("count", [0, 1, 500])
def test_from_supervision_is_the_inverse(count: int) -> None:
    pytest.importorskip("supervision", reason="needs supervision: pip install supervision")
    faces = some_faces(count)
    faces = faces[np.argsort(-faces.scores, kind="stable")]
    there = faces.to_supervision()
    assert Detections.from_supervision(there, (9, 9)) == faces
    assert Detections.from_supervision(there[::-1], (9, 9)) == faces  # sorted again
    assert Detections.from_supervision(there[there.confidence > 0.5], (9, 9)) == faces[faces.scores > 0.5]
    assert Detections.from_supervision(there, (5, 7)).image_size == (5, 7)


def test_from_supervision_uses_changed_boxes() -> None:
    supervision = pytest.importorskip("supervision", reason="needs supervision: pip install supervision")
    faces = some_faces(3)
    faces = faces[np.argsort(-faces.scores, kind="stable")]
    there = faces.to_supervision()
    there.xyxy[1] = 1.5, 2, 4, 8
    again = Detections.from_supervision(there, (9, 9))
    assert again.boxes.tolist() == [faces.boxes[0].tolist(), [1.5, 2, 2.5, 6], faces.boxes[2].tolist()]
    del there.data["boxes"]
    again = Detections.from_supervision(there, (9, 9))
    assert again.boxes[1].tolist() == [1.5, 2, 2.5, 6]
    assert np.array_equal(again.boxes[:, :2], there.xyxy[:, :2])
    assert again.boxes.dtype == np.float32
    boxes = np.array([[1, 2, 3, 4]], float)
    for there, missing in (
        (supervision.Detections(boxes), "confidence and landmarks in `data`"),
        (supervision.Detections(boxes, confidence=np.ones(1)), "landmarks in `data`"),
        (supervision.Detections(boxes, data={"landmarks": np.ones((1, 5, 2))}), "confidence"),
    ):
        with pytest.raises(ValueError, match=f"got 1 detections without {missing}$"):
            Detections.from_supervision(there, (9, 9))
    assert Detections.from_supervision(supervision.Detections.empty(), (9, 9)) == Detections.empty((9, 9))


@pytest.mark.parametrize(
    ("method", "module", "install"),
    [
        ("to_arrow", "pyarrow", "pip install 'mtcnn-cpp[table]'"),
        ("to_pandas", "pandas", "pip install pandas"),
        ("to_supervision", "supervision", "pip install supervision"),
    ],
)
def test_missing_packages_are_named(method: str, module: str, install: str) -> None:
    script = f"""
import sys
sys.modules[{module!r}] = None  # any import of it now fails
import numpy as np
from mtcnn_cpp import Detections, MissingExtra
faces = Detections(*(np.zeros(s, np.float32) for s in ((0, 4), (0,), (0, 5, 2))), (9, 9))
try:
    faces.{method}()
except MissingExtra as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{method} needs the package {module!r}, which is not installed")
    assert done.stdout.endswith(f"; {install}\n")
