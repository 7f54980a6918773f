"""Faces in Arrow tables: the detector's bits in the right rows, and rows with errors."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import png
import pytest
from clips import make_frame
from mtcnn_cpp import Detector, MissingExtra
from mtcnn_cpp.jobs import arrow
from mtcnn_cpp.jobs.table.rows import COLUMNS
from study import rows_of, run

pa = pytest.importorskip("pyarrow")
pytest.importorskip("cv2")

FACES = ("face_id", "confidence", "x", "y", "width", "height")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two images with a face, one without, one that is none."""
    folder = tmp_path_factory.mktemp("pictures")
    for index in range(2):
        (folder / f"{index}.png").write_bytes(png.encode(make_frame(index)))
    (folder / "none.png").write_bytes(png.encode(np.zeros((80, 90, 3), np.uint8)))
    (folder / "bad.png").write_text("no picture")
    return folder


def paths(folder: Path) -> list[str]:
    return [str(path) for path in sorted(folder.iterdir())]


@pytest.mark.parametrize("kind", [pa.table, pa.record_batch])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("by", ["path", "bytes", "both"])
def test_the_faces_are_those_of_the_detector(kind: Any, threads: int, by: str, folder: Path) -> None:
    files = paths(folder)
    columns: dict[str, Any] = {"number": list(range(4))}
    if by != "bytes":
        columns["path"] = files if by == "path" else [f"named {file}" for file in files]
    if by != "path":
        columns["bytes"] = [Path(file).read_bytes() for file in files]
    before = kind(columns)
    found = arrow.detect(before, Detector(threads=threads))
    assert type(found) is type(before)
    assert found.schema.names == [*columns, *arrow.ADDED_COLUMNS]
    assert found.schema == arrow.schema(before.schema)
    assert found.select(list(columns)) == before
    rows = found.to_pylist()
    for file, row in zip(files, rows, strict=True):
        if file.endswith("bad.png"):
            name = {"path": file, "bytes": "row 2", "both": f"named {file}"}[by]
            assert row["faces"] is row["image_width"] is row["image_height"] is None
            assert (
                row["error"] == f"{name} is not an image that OpenCV can read, or it is truncated or damaged"
            )
            continue
        faces = Detector().detect(file)
        assert row["error"] is None
        assert (row["image_height"], row["image_width"]) == faces.image_size
        assert len(faces) == len(row["faces"]) == (not file.endswith("none.png"))
        for number, (face, values) in enumerate(zip(faces, row["faces"], strict=True)):
            numbers = np.array(list(values.values())[1:], np.float32)
            assert values["face_id"] == number
            expected = [face.score, *face.box, *face.landmarks.ravel()]
            assert numbers.tobytes() == np.array(expected, np.float32).tobytes()


def test_one_row_a_face_as_the_command_writes_it(folder: Path, tmp_path: Path) -> None:
    run(folder, "-o", tmp_path / "t.parquet")
    table = arrow.to_table(arrow.detect(pa.table({"path": paths(folder)})))
    assert tuple(table.schema.names) == COLUMNS
    pa.parquet.write_table(table, tmp_path / "u.parquet")
    assert rows_of(tmp_path / "u.parquet") == rows_of(tmp_path / "t.parquet")


def test_rows_that_cannot_be_looked_at(folder: Path) -> None:
    clip = folder.parent / "clip.mp4"
    clip.write_bytes(b"\0\0\0\x20ftypisom" + bytes(500))
    several = [
        None,
        "",
        "nowhere.png",
        str(folder),
        str(clip),
        "a\0b",
        "nix://bucket/a.png",
        paths(folder)[0],
    ]
    found = arrow.detect(pa.table({"path": pa.array(several, pa.string())}))
    errors = found["error"].to_pylist()
    assert errors[-1] is None
    expected = ["row 0", "is a folder", "no such image file", "is a folder", "is a video", "null", "nix"]
    for error, words in zip(errors, expected, strict=False):
        assert words in error
    assert arrow.to_table(found)["success"].to_pylist() == [0] * 7 + [1]
    both = pa.table({"path": [None], "bytes": pa.array([None], pa.binary())})
    assert arrow.detect(both)["error"].to_pylist() == [
        "row 0: expected a value in the column path or bytes, found null"
    ]


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]
)
def test_types_of_columns(kind: Any, folder: Path) -> None:
    column = pa.array(paths(folder)).cast(kind)
    expected = arrow.detect(pa.table({"path": paths(folder)}))
    assert arrow.detect(pa.table({"path": column})).select(arrow.ADDED_COLUMNS) == expected.select(
        arrow.ADDED_COLUMNS
    )
    chunks = pa.chunked_array([column[:1], column[1:1], column[1:]])
    assert arrow.detect(pa.table({"path": chunks})).select(arrow.ADDED_COLUMNS) == expected.select(
        arrow.ADDED_COLUMNS
    )


def test_no_rows() -> None:
    empty = pa.table({"path": pa.array([], pa.string())})
    found = arrow.detect(empty)
    assert found.num_rows == 0
    assert found.schema == arrow.schema(empty.schema)
    assert arrow.to_table(found).num_rows == 0


@pytest.mark.parametrize(
    ("batch", "error", "message"),
    [
        ([1], TypeError, "batch must be a pyarrow.Table or RecordBatch, got list"),
        (
            pa.table({"a": [1]}),
            ValueError,
            "neither a column path .* nor a column bytes .* columns are: a; set the name with path=",
        ),
        (pa.table({"path": [1]}), TypeError, "the column path must be text, got int64"),
        (pa.table({"bytes": ["a"]}), TypeError, "the column bytes must be binary, got string"),
        (pa.table({"path": ["a"], "error": ["b"]}), ValueError, "already has a column error; rename"),
        (pa.table([["a"], ["b"]], ["path", "path"]), ValueError, "the batch has 2 columns path"),
    ],
)
def test_batches_that_are_refused(batch: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        arrow.detect(batch)


def test_other_names_of_columns(folder: Path) -> None:
    found = arrow.detect(pa.table({"file": paths(folder)[:1]}), path="file")
    assert found["error"].to_pylist() == [None]
    assert arrow.to_table(found, path="file")["source"].to_pylist() == paths(folder)[:1]
    with pytest.raises(ValueError, match="missing: path"):
        arrow.to_table(found)


def test_without_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    message = r"mtcnn_cpp\.jobs\.arrow needs the package 'pyarrow'.*mtcnn-cpp\[table\]'$"
    with pytest.raises(MissingExtra, match=message):
        arrow.detect(object())
