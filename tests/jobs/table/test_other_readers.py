"""pandas, DuckDB, pyarrow and the standard library read the same numbers, in bits."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mtcnn_cpp import Detections
from mtcnn_cpp.jobs.table import TableFormat
from mtcnn_cpp.jobs.table.formats import make_writer
from mtcnn_cpp.jobs.table.rows import COLUMN_TYPES, FILE_COLUMNS, FrameResult, make_rows
from results import FORMATS, some_faces, write_results

RESULTS = [
    *(
        FrameResult("a,b.mp4", number, number / 29.97, some_faces(number % 4, number))
        for number in range(300)
    ),
    FrameResult("b.jpg", error='cut\n"off"'),
    *(FrameResult("=NA", number, faces=some_faces(1, number)) for number in range(3)),
    FrameResult("c", faces=some_faces(2), files={"crop_file": ("c,0", "c1"), "aligned_file": (None, "é")}),
]
COLUMNS = tuple(COLUMN_TYPES)
EXPECTED = {name: [row.get(name) for result in RESULTS for row in make_rows(result)] for name in COLUMNS}
Table = dict[str, list[Any]]


def by_csv(path: Path) -> Table:
    with path.open(newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    return {name: [row[name] for row in found] for name in COLUMNS}


def by_json(path: Path) -> Table:
    text = path.read_text(encoding="utf-8")
    found = json.loads(text) if path.suffix == ".json" else [json.loads(line) for line in text.splitlines()]
    return {name: [row[name] for row in found] for name in COLUMNS}


def by_pandas(path: Path) -> Table:
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    if path.suffix == ".csv":
        # A source may be named NA.
        found = pandas.read_csv(path, keep_default_na=False, na_values={
            name: [""] for name in COLUMNS if name != "source"
        })  # fmt: skip
    elif path.suffix == ".parquet":
        found = pandas.read_parquet(path)
    else:
        found = pandas.read_json(path, lines=path.suffix == ".jsonl", precise_float=True, dtype=False)
    return {name: [None if value is pandas.NA else value for value in found[name]] for name in COLUMNS}


def by_duckdb(path: Path) -> Table:
    duckdb = pytest.importorskip("duckdb", reason="needs duckdb")
    reader = {".csv": "read_csv", ".parquet": "read_parquet"}.get(path.suffix, "read_json")
    found = duckdb.connect().execute(f"select * from {reader}(?)", [str(path)])
    assert [column[0] for column in found.description] == list(COLUMNS)
    return dict(zip(COLUMNS, map(list, zip(*found.fetchall(), strict=True)), strict=True))


def by_pyarrow(path: Path) -> Table:
    pytest.importorskip("pyarrow", reason="needs pyarrow, of the extra 'table'")
    from pyarrow import csv, json, parquet

    if path.suffix == ".csv":
        # pyarrow needs an option for texts with line feeds
        found = csv.read_csv(path, parse_options=csv.ParseOptions(newlines_in_values=True))
    else:
        found = (parquet.read_table if path.suffix == ".parquet" else json.read_json)(path)
    assert found.column_names == list(COLUMNS)
    return dict(zip(COLUMNS, (column.to_pylist() for column in found.columns), strict=True))


READERS: dict[Callable[[Path], Table], list[TableFormat]] = {
    by_csv: [TableFormat.csv],
    by_json: [TableFormat.jsonl, TableFormat.json],
    by_pandas: [*TableFormat],
    by_duckdb: [*TableFormat],
    by_pyarrow: [TableFormat.csv, TableFormat.jsonl, TableFormat.parquet],
}
PAIRS = [
    pytest.param(reader, *param.values, marks=param.marks, id=f"{reader.__name__}-{param.id}")
    for reader, formats in READERS.items()
    for param in FORMATS
    if param.values[0] in formats
]


@pytest.mark.parametrize(("reader", "format"), PAIRS)
def test_the_same_numbers(tmp_path: Path, reader: Callable[[Path], Table], format: TableFormat) -> None:
    path = tmp_path / f"faces.{format.value}"
    path.write_bytes(write_results(format, RESULTS))
    found = reader(path)
    for name, kind in COLUMN_TYPES.items():
        if kind == "text":
            missing = (None, "") if name in ("error", *FILE_COLUMNS) else ()
            texts = [None if isinstance(text, float) or text in missing else text for text in found[name]]
            assert texts == EXPECTED[name], name
            continue
        numbers = [np.nan if value in (None, "") else float(value) for value in found[name]]
        expected = [np.nan if value is None else value for value in EXPECTED[name]]
        dtype = np.float32 if kind == "float32" else np.float64
        assert np.array_equal(np.array(numbers, dtype), np.array(expected, dtype), equal_nan=True), name


@pytest.mark.parametrize("format", [TableFormat.parquet, TableFormat.csv])
def test_integers_with_missing_values_stay_integers_in_pandas(format: TableFormat, tmp_path: Path) -> None:
    """Read as docs/jobs.md says; also a folder of parts, of which one is empty."""
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    if format is TableFormat.parquet:
        pytest.importorskip("pyarrow")
    results = [FrameResult("none", error="x"), FrameResult("a", 2**31, faces=Detections(
        np.ones((2, 4), np.float32), np.ones(2, np.float32), np.ones((2, 5, 2), np.float32), (4, 9)
    ), face_ids=(7, 2**31 - 1))]  # fmt: skip
    for part, some in (("1", results), ("2", results[:1]), ("3", [])):
        with (tmp_path / f"{part}.{format.value}").open("wb") as file:
            writer = make_writer(format, file)
            for result in some:
                writer.add(result)
            writer.close()
    if format is TableFormat.parquet:
        places = tmp_path, tmp_path / "1.parquet"
        frames = [pandas.read_parquet(place) for place in places]
        for frame in frames:
            dtypes = {str(frame.dtypes[name]) for name in ("face_id", "image_width", "image_height")}
            assert dtypes == {"Int64"}
            others = [str(frame.dtypes[name]) for name in ("frame", "timestamp", "success", "x")]
            assert others == ["int64", "float64", "int32", "float32"]
        nullable = [pandas.read_parquet(place, dtype_backend="numpy_nullable") for place in places]
        assert {str(frame.dtypes["x"]) for frame in nullable} == {"Float32"}
        frames += nullable
    else:
        frames = [pandas.read_csv(tmp_path / "1.csv", dtype={"face_id": "Int64"})]
    for frame in frames:
        assert str(frame.dtypes["face_id"]) in ("Int32", "Int64")
        assert str(frame.dtypes["frame"]).lower() == "int64"
        assert frame.face_id.dropna().tolist() == [7, 2**31 - 1]
        assert frame.face_id.isna().sum() == len(frame) - 2


@pytest.mark.parametrize("format", [TableFormat.parquet, TableFormat.csv])
def test_integers_with_missing_values_stay_integers_elsewhere(format: TableFormat, tmp_path: Path) -> None:
    """In DuckDB, and in polars, which does not read the metadata for pandas."""
    duckdb = pytest.importorskip("duckdb", reason="needs duckdb")
    if format is TableFormat.parquet:
        pytest.importorskip("pyarrow", reason="needs pyarrow, of the extra 'table'")
    path = tmp_path / f"faces.{format.value}"
    path.write_bytes(
        write_results(format, [FrameResult("none", error="x"), FrameResult("a", faces=some_faces(2))])
    )
    assert duckdb.sql(f"select face_id from '{path}'").fetchall() == [(None,), (0,), (1,)]
    assert "INT" in str(duckdb.sql(f"select face_id from '{path}'").types[0]).upper()
    polars = pytest.importorskip("polars", reason="needs polars")
    frame = polars.read_parquet(path) if format is TableFormat.parquet else polars.read_csv(path)
    assert frame["face_id"].dtype.is_integer()
    assert frame["face_id"].to_list() == [None, 0, 1]
