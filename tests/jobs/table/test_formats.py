"""Every format reads back what was written, for any text; rows are written as soon as they exist."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mtcnn_cpp.jobs.table import TableFormat, read_rows
from mtcnn_cpp.jobs.table.formats import make_writer, read_states
from mtcnn_cpp.jobs.table.rows import COLUMNS, FrameResult, SourceState, escape_text, make_rows, unescape_text
from results import FORMATS, NO_PYARROW, some_faces, write_results

NAMES = [
    "a.jpg", "", " ", "a,b", 'a"b', "a\nb", "a\rb", "a\r\nb", "=cmd()", "+1", "-1", "@x", "NA", "null", "1e5",
    os.fsdecode(b"caf\xe9.jpg"), "a\\udce9.jpg", "a\\\udce9.jpg", "C:\\u\\new", "\0", "\\u0000", "日本\u2028",
    "\ufeff", "'",
]  # fmt: skip
RESULTS = [
    *(FrameResult(name, faces=some_faces(1, seed)) for seed, name in enumerate(NAMES)),
    *(FrameResult(f"{number}.jpg", error=name or "?") for number, name in enumerate(NAMES)),
    *(FrameResult("a.mp4", frame, frame / 30, some_faces(frame % 3, frame)) for frame in range(200)),
    FrameResult("a.mp4", 200, 1e300, error="ended early"),
]


@pytest.mark.parametrize("format", FORMATS)
def test_what_was_written_is_read(format: TableFormat) -> None:
    data = write_results(format, RESULTS)
    expected = [row for result in RESULTS for row in make_rows(result)]
    found = list(read_rows(data, format))
    assert found == expected
    assert [list(map(type, row.values())) for row in found] == [
        list(map(type, row.values())) for row in expected
    ]
    assert list(read_rows(io.BytesIO(data), format)) == expected
    assert write_results(format, RESULTS) == data


@pytest.mark.parametrize("format", FORMATS)
def test_rows_that_were_read_are_written_as_the_same_bytes(format: TableFormat) -> None:
    data = write_results(format, RESULTS)
    again = io.BytesIO()
    writer = make_writer(format, again)
    writer.add_rows([])
    for row in read_rows(data, format):
        writer.add_rows([row])
    writer.close()
    assert again.getvalue() == data


@pytest.mark.parametrize("format", FORMATS)
def test_states(format: TableFormat) -> None:
    found = read_states(write_results(format, RESULTS), format)
    assert len(found) == 2 * len(NAMES) + 1
    assert found["a.mp4"] == SourceState(200, "ended early")
    assert {found[name] for name in NAMES if name != "a.jpg"} == {SourceState(1, "")}
    assert [found[f"{number}.jpg"] for number in range(2, 5)] == [
        SourceState(0, " "),
        SourceState(0, "a,b"),
        SourceState(0, 'a"b'),
    ]


@pytest.mark.parametrize("format", FORMATS)
def test_states_of_mixed_sources(format: TableFormat) -> None:
    """Frames of two videos in turn, two faces each."""
    results = [FrameResult("ab"[i % 2], i // 2, faces=some_faces(2)) for i in range(20)]
    results += [FrameResult("b", 10, faces=some_faces(1), error="not drawn")]
    found = read_states(write_results(format, results), format)
    assert found == {"a": SourceState(10, ""), "b": SourceState(10, "not drawn")}


@pytest.mark.parametrize("format", FORMATS)
def test_a_table_without_rows(format: TableFormat) -> None:
    data = write_results(format, [])
    assert list(read_rows(data, format)) == []
    assert read_states(data, format) == {}


@pytest.mark.parametrize("format", FORMATS)
def test_the_stream_stays_open_and_need_not_seek(format: TableFormat) -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def tell(self) -> int:
            raise OSError("a pipe")

    stream = Pipe()
    writer = make_writer(format, stream, flush=True)
    writer.add(RESULTS[0])
    writer.close()
    assert not stream.closed
    assert list(read_rows(stream.getvalue(), format)) == make_rows(RESULTS[0])


@pytest.mark.parametrize("format", [TableFormat.csv, TableFormat.jsonl, TableFormat.json])
def test_rows_are_there_as_they_are_made(format: TableFormat) -> None:
    """Through a buffer that is only emptied by `flush`."""
    raw = io.BytesIO()
    stream = io.BufferedWriter(raw, 1_000_000)  # type: ignore[arg-type]
    writer = make_writer(format, stream, flush=True)
    for count, result in enumerate(RESULTS[:3], start=1):
        writer.add(result)
        so_far = raw.getvalue() + (b"\n]\n" if format is TableFormat.json else b"")
        assert len(list(read_rows(so_far, format))) == count
    stream.detach()


@NO_PYARROW
def test_row_groups() -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    results = [FrameResult("a", number, faces=some_faces(3)) for number in range(7000)]
    file = parquet.ParquetFile(io.BytesIO(write_results(TableFormat.parquet, results)))
    sizes = [file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)]
    assert sum(sizes) == 21_000
    assert sizes == [10_002, 10_002, 996]


def test_csv_and_json_as_they_stand_in_the_file() -> None:
    results = [FrameResult("a,b", faces=some_faces(0)), FrameResult("c", 1, 0.1, error='say "no"')]
    lines = write_results(TableFormat.csv, results).decode().split("\n")
    assert lines == [
        ",".join(COLUMNS),
        '"a,b",1,,0.0,,0' + 14 * "," + ",640,480,",
        "c,2,,0.1,,0" + 16 * "," + ',"say ""no"""',
        "",
    ]
    objects = [dict.fromkeys(COLUMNS) | row for result in results for row in make_rows(result)]
    assert [json.loads(line) for line in write_results(TableFormat.jsonl, results).splitlines()] == objects
    assert json.loads(write_results(TableFormat.json, results)) == objects


texts = st.text(st.characters() | st.sampled_from('\\\0ud0c8fe\udce9\ud800\n\r,"'), max_size=30)


@settings(max_examples=500, deadline=None)
@given(texts)
@example("\\" * 5 + "\udc80")
def test_spelling_is_undone(text: str) -> None:
    spelled = escape_text(text)
    assert unescape_text(spelled) == text
    assert "\0" not in spelled
    spelled.encode()


def test_what_can_be_written_as_it_is_stays() -> None:
    for text in ("C:\\users\\udo\\x.jpg", "C:\\udacity\\1.jpg", "caf\u00e9", "\\\\server\\u123", "a\\"):
        assert escape_text(text) == text
    assert escape_text("\udce9") == "\\udce9"
    assert escape_text("\\udce9") == "\\\\udce9"


def test_long_runs_of_backslashes_take_no_time() -> None:
    text = "\\" * 1_000_000
    assert escape_text(text) == text
    assert unescape_text(text + "\\u") == text + "\\u"


def test_shortest_decimals_read_as_the_same_float32_also_through_double() -> None:
    """What a reader does that takes doubles and rounds them."""
    numbers = np.random.default_rng(1).integers(0, 0x7F800000, 200_000, dtype=np.uint32).view(np.float32)
    doubles = np.array([float(str(number)) for number in numbers])
    assert np.array_equal(doubles.astype(np.float32).view(np.uint32), numbers.view(np.uint32))


def test_endings() -> None:
    for name, format in {
        "a.csv": TableFormat.csv,
        "s3://b/x.PARQUET": TableFormat.parquet,
        "a.ndjson": TableFormat.jsonl,
    }.items():
        assert TableFormat.from_name(name) is format
    assert TableFormat.from_name("csv.txt") is TableFormat.from_name("folder/") is None


@pytest.mark.parametrize(
    "call", ["make_writer(TableFormat.parquet, io.BytesIO())", "read_rows(b'', TableFormat.parquet)"]
)
def test_without_pyarrow(call: str) -> None:
    code = f"""if True:
        import io, sys
        sys.modules["pyarrow"] = None
        from mtcnn_cpp.jobs.table import TableFormat, read_rows
        from mtcnn_cpp.jobs.table.formats import make_writer
        assert not {{"rich", "pandas", "scipy"}} & set(sys.modules)
        try: {call}
        except ImportError as error: print(error)"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Parquet (unlike the format csv) needs the package 'pyarrow'" in done.stdout
    assert "pip install 'mtcnn-cpp[table]'" in done.stdout
