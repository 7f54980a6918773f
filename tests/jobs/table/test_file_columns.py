"""The columns that name the images of faces, in every format."""

from __future__ import annotations

import io
import os

import pytest
from mtcnn_cpp.jobs.table import TableError, TableFormat, read_rows
from mtcnn_cpp.jobs.table.formats import make_writer, read_states
from mtcnn_cpp.jobs.table.rows import COLUMNS, FILE_COLUMNS, FrameResult, make_rows, table_columns
from results import FORMATS, some_faces, write_results

NAMES = [
    "a_face0.png",
    "a,b\n_face0.png",
    os.fsdecode(b"caf\xe9_face0.png"),
    "=1_face0.png",
    "a\\udce9/0.png",
]
RESULTS = [
    *(
        FrameResult(f"{number}.jpg", faces=some_faces(2, number), files={"aligned_file": (name, None)})
        for number, name in enumerate(NAMES)
    ),
    FrameResult("empty.jpg", faces=some_faces(0), files={"aligned_file": ()}),
    FrameResult("bad.jpg", error="damaged"),
]


@pytest.mark.parametrize("format", FORMATS)
def test_what_was_written_is_read(format: TableFormat) -> None:
    columns = table_columns(["aligned_file"])
    assert columns == (*COLUMNS, "aligned_file")
    data = write_results(format, RESULTS)
    rows = list(read_rows(data, format))
    assert {tuple(row) for row in rows} == {columns}
    expected = [row for result in RESULTS for row in make_rows(result)]
    assert rows == [dict.fromkeys(columns) | row for row in expected]
    assert [row["aligned_file"] for row in rows if row["face_id"] == 0] == NAMES
    assert not [row for row in rows if row["face_id"] != 0 and row["aligned_file"]]
    again = io.BytesIO()
    writer = make_writer(format, again, columns=columns)
    writer.add_rows(rows)
    writer.close()
    assert again.getvalue() == data
    states = read_states(data, format)
    assert [states[f"{number}.jpg"].file for number in range(len(NAMES))] == NAMES
    assert (states["empty.jpg"].file, states["bad.jpg"].error) == ("", "damaged")


@pytest.mark.parametrize("format", FORMATS)
def test_both_columns(format: TableFormat) -> None:
    files = {"crop_file": ("c.png",), "aligned_file": ("a.png",)}
    (row,) = read_rows(write_results(format, [FrameResult("a", faces=some_faces(1), files=files)]), format)
    assert tuple(row) == (*COLUMNS, *FILE_COLUMNS)
    assert (row["crop_file"], row["aligned_file"]) == ("c.png", "a.png")


def test_safe_csv() -> None:
    stream = io.BytesIO()
    writer = make_writer(TableFormat.csv, stream, columns=table_columns(["aligned_file"]), csv_safe=True)
    for result in RESULTS:
        writer.add(result)
    writer.close()
    assert b",'=1_face0.png\n" in stream.getvalue()
    rows = list(read_rows(stream.getvalue(), TableFormat.csv))
    assert [row["aligned_file"] for row in rows if row["face_id"] == 0] == NAMES


def test_other_columns_are_refused() -> None:
    header = ",".join((*COLUMNS, "aligned_file"))
    with pytest.raises(TableError, match="the order of the columns differs"):
        list(read_rows(f"aligned_file,{','.join(COLUMNS)}\n".encode(), TableFormat.csv))
    with pytest.raises(TableError, match="unknown: other"):
        list(read_rows(f"{header},other\n".encode(), TableFormat.csv))


def test_one_name_per_face() -> None:
    with pytest.raises(ValueError, match="crop_file must be 2 names, one per face, got 1"):
        FrameResult("a", faces=some_faces(2), files={"crop_file": ("a.png",)})
