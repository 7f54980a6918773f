"""Truncated, changed and unrelated files: one named error."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from mtcnn_cpp.jobs.table import TableError, TableFormat, read_rows
from mtcnn_cpp.jobs.table.formats import read_states
from mtcnn_cpp.jobs.table.rows import COLUMNS, FrameResult
from results import FORMATS, NO_PYARROW, some_faces, write_results

RESULTS = [
    FrameResult("a\n,\u00e9.jpg", number, number / 7, some_faces(number % 3, number)) for number in range(40)
]
HEADER = ",".join(COLUMNS) + "\n"
GOOD = dict(zip(COLUMNS, ["a", 1, None, 0.0, None, 0, *[None] * 17], strict=True))


def taken(data: bytes, format: TableFormat) -> list[dict[str, object]]:
    return list(read_rows(data, format, name="faces.x"))


@pytest.mark.parametrize("format", FORMATS)
def test_cut_off_anywhere(format: TableFormat) -> None:
    """Never a wrong row: all rows before the cut are those of the whole file, and the cut is reported, unless
    it lies between two rows."""
    data = write_results(format, RESULTS)
    whole = taken(data, format)
    reported = 0
    for length in range(0, len(data), 17 if format is TableFormat.parquet else 11):
        rows: list[dict[str, object]] = []
        message = "faces.x: none"
        try:
            for row in read_rows(data[:length], format, name="faces.x"):
                rows.append(row)
        except TableError as error:
            message = str(error)
            reported += 1
        else:
            if format is TableFormat.json:  # all but the last line feed
                assert length == len(data) - 1
            else:
                assert format is not TableFormat.parquet
                assert data[length - 1 : length] in (b"\n", b"")
        assert message.startswith("faces.x: ")
        assert rows == whole[: len(rows)]
        if reported % 20 == 1:
            with pytest.raises(TableError):
                read_states(data[:length], format)
    assert reported > 50


@pytest.mark.parametrize("format", FORMATS)
def test_changed_bytes(format: TableFormat) -> None:
    """Rows, or a TableError, but nothing else."""
    data = bytearray(write_results(format, RESULTS[:10]))
    draw = np.random.default_rng(3)
    failures = 0
    for _ in range(400):
        place, byte = int(draw.integers(len(data))), int(draw.integers(256))
        changed = data[:place] + bytes([byte]) + data[place + 1 :]
        for read in (taken, read_states):
            try:
                read(bytes(changed), format)
            except TableError:
                failures += 1
    assert failures > 20


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "data", [b"", b"\0" * 100, b"PAR1" * 5, b"a,b\n1,2\n", b"{}\n", b"[1]\n", b"\xff\n", b"7\n"]
)
def test_other_files(format: TableFormat, data: bytes) -> None:
    if format is TableFormat.jsonl and not data:
        return  # a table without rows
    for read in (taken, read_states):
        with pytest.raises(TableError):
            read(data, format)


CELLS = [
    ("source", None, "source must be a text"),
    ("frame", "x", "frame must be an integer (int64), got 'x'"),
    ("frame", 1.5, "frame must be an integer"),
    ("frame", None, "frame must be an integer"),
    ("frame", 2**63, "frame must be an integer"),
    ("face_id", 2**31, "face_id must be an integer (int32)"),
    ("success", "1_0", "success must be"),
    ("x", "wide", "x must be a finite number (float32), got 'wide'"),
    ("x", "nan", "x must be a finite number"),
    ("x", "1_0", "x must be a finite number"),
    ("x", float("inf"), "x must be a finite number"),
    ("timestamp", "-inf", "timestamp must be a finite number"),
    ("image_width", "3.0", "image_width must be"),
]


@pytest.mark.parametrize(("name", "value", "words"), CELLS)
def test_wrong_values(name: str, value: object, words: str) -> None:
    row = GOOD | {name: value}
    with pytest.raises(TableError) as found:
        taken(json.dumps([GOOD, row]).encode(), TableFormat.json)
    assert str(found.value).startswith(f"faces.x: row 2: {words}")
    if name == "source":
        return  # empty is a text in CSV
    line = ",".join("" if cell is None else str(cell) for cell in row.values())
    with pytest.raises(TableError) as found:
        taken(f"{HEADER}a,1,,0.0,,0{',' * 17}\n{line}\n".encode(), TableFormat.csv)
    assert str(found.value).startswith(f"faces.x: line 3: {words}")


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (HEADER.replace(",error", ""), "missing: error"),
        (HEADER.replace("frame,", "frame,weight,"), "unknown: weight"),
        (HEADER.replace("x,y", "y,x", 1), "the order of the columns differs, or a column is repeated"),
        ("a\x1b[31m,b\n", r"unknown: a\x1b[31m, b"),
    ],
)
def test_other_columns(header: str, words: str) -> None:
    with pytest.raises(TableError) as found:
        taken(header.encode(), TableFormat.csv)
    assert words in str(found.value)
    assert "\x1b" not in str(found.value)
    with pytest.raises(TableError):
        read_states(header.encode(), TableFormat.csv)


def test_values_too_many_or_too_few() -> None:
    for line in (b"a,1\n", b"," * 23 + b"\n", b"\n"):
        for read in (taken, read_states):
            with pytest.raises(TableError, match="line 2: "):
                read(HEADER.encode() + line, TableFormat.csv)


def test_json_that_nests_without_end() -> None:
    for format in (TableFormat.json, TableFormat.jsonl):
        with pytest.raises(TableError):
            taken(b"[" * 1_000_000 + b"\n", format)


def test_json_that_others_wrote_again() -> None:
    """Columns in another order, whole numbers without a point."""
    row = dict(reversed(GOOD.items())) | {"timestamp": 0}
    assert taken(json.dumps([row]).encode(), TableFormat.json) == [GOOD]
    assert isinstance(taken(json.dumps([row]).encode(), TableFormat.json)[0]["timestamp"], float)


def test_csv_that_others_wrote_again() -> None:
    """With the mark of UTF-8 that spreadsheets put first, and lines that end in two signs."""
    data = write_results(TableFormat.csv, [FrameResult("a", faces=some_faces(2))])
    again = b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n")
    assert taken(again, TableFormat.csv) == taken(data, TableFormat.csv)


def test_an_error_of_the_system_stays_one() -> None:
    class Broken(io.BytesIO):
        def readline(self, size: int | None = -1, /) -> bytes:
            raise OSError("the disk is gone")

        __next__ = readline  # type: ignore[assignment]

    with pytest.raises(OSError, match="the disk is gone"):
        list(read_rows(Broken(), TableFormat.csv))


@NO_PYARROW
def test_parquet_of_other_types() -> None:
    pa = pytest.importorskip("pyarrow")
    from mtcnn_cpp.jobs.table.parquet import arrow_schema

    schema = arrow_schema()

    def file(changed: str, type: object, value: object) -> bytes:
        index = schema.get_field_index(changed)
        other = schema.set(index, pa.field(changed, type))
        stream = io.BytesIO()
        pa.parquet.write_table(pa.Table.from_pylist([GOOD | {changed: value}], other), stream)
        return stream.getvalue()

    for changed, type, value in (
        ("x", pa.string(), "1"),
        ("frame", pa.float64(), 1.0),
        ("error", pa.int32(), 1),
    ):
        with pytest.raises(TableError, match=f"the column {changed} must be"):
            taken(file(changed, type, value), TableFormat.parquet)
    with pytest.raises(TableError, match="source is missing in 1 rows"):
        taken(file("source", pa.string(), None), TableFormat.parquet)
    for changed, type in (("frame", pa.int32()), ("source", pa.large_string()), ("x", pa.float64())):
        assert taken(file(changed, type, GOOD[changed]), TableFormat.parquet) == [GOOD]
