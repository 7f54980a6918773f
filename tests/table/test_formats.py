"""Every format gives back what was written, whatever the text; rows are there as they are made."""

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
from mtcnn_cpp.table import COLUMNS, Format, Result, State, make_writer, read_rows, read_states, rows
from mtcnn_cpp.table.text import spell, unspell
from results import FORMATS, NO_PYARROW, some_faces, written

NAMES = [
    "a.jpg", "", " ", "a,b", 'a"b', "a\nb", "a\rb", "a\r\nb", "=cmd()", "+1", "-1", "@x", "NA", "null", "1e5",
    os.fsdecode(b"caf\xe9.jpg"), "a\\udce9.jpg", "a\\\udce9.jpg", "C:\\u\\new", "\0", "\\u0000", "日本\u2028",
    "\ufeff", "'",
]  # fmt: skip
RESULTS = [
    *(Result(name, faces=some_faces(1, seed)) for seed, name in enumerate(NAMES)),
    *(Result(f"{number}.jpg", error=name or "?") for number, name in enumerate(NAMES)),
    *(Result("a.mp4", frame, frame / 30, some_faces(frame % 3, frame)) for frame in range(200)),
    Result("a.mp4", 200, 1e300, error="ended early"),
]


@pytest.mark.parametrize("format", FORMATS)
def test_what_was_written_is_read(format: Format) -> None:
    data = written(format, RESULTS)
    expected = [row for result in RESULTS for row in rows(result)]
    found = list(read_rows(data, format))
    assert found == expected
    assert [list(map(type, row.values())) for row in found] == [
        list(map(type, row.values())) for row in expected
    ]
    assert list(read_rows(io.BytesIO(data), format)) == expected
    assert written(format, RESULTS) == data


@pytest.mark.parametrize("format", FORMATS)
def test_rows_that_were_read_are_written_as_the_same_bytes(format: Format) -> None:
    data = written(format, RESULTS)
    again = io.BytesIO()
    writer = make_writer(format, again)
    writer.add_rows([])
    for row in read_rows(data, format):
        writer.add_rows([row])
    writer.close()
    assert again.getvalue() == data


@pytest.mark.parametrize("format", FORMATS)
def test_states(format: Format) -> None:
    found = read_states(written(format, RESULTS), format)
    assert len(found) == 2 * len(NAMES) + 1
    assert found["a.mp4"] == State(200, "ended early")
    assert {found[name] for name in NAMES if name != "a.jpg"} == {State(1, "")}
    assert [found[f"{number}.jpg"] for number in range(2, 5)] == [
        State(0, " "),
        State(0, "a,b"),
        State(0, 'a"b'),
    ]


@pytest.mark.parametrize("format", FORMATS)
def test_states_of_mixed_sources(format: Format) -> None:
    """Frames of two videos in turn, two faces each."""
    results = [Result("ab"[i % 2], i // 2, faces=some_faces(2)) for i in range(20)]
    results += [Result("b", 10, faces=some_faces(1), error="not drawn")]
    found = read_states(written(format, results), format)
    assert found == {"a": State(10, ""), "b": State(10, "not drawn")}


@pytest.mark.parametrize("format", FORMATS)
def test_a_table_without_rows(format: Format) -> None:
    data = written(format, [])
    assert list(read_rows(data, format)) == []
    assert read_states(data, format) == {}


@pytest.mark.parametrize("format", FORMATS)
def test_the_stream_stays_open_and_need_not_seek(format: Format) -> None:
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
    assert list(read_rows(stream.getvalue(), format)) == rows(RESULTS[0])


@pytest.mark.parametrize("format", [Format.csv, Format.jsonl, Format.json])
def test_rows_are_there_as_they_are_made(format: Format) -> None:
    """Through a buffer that is only emptied by `flush`."""
    raw = io.BytesIO()
    stream = io.BufferedWriter(raw, 1_000_000)  # type: ignore[arg-type]
    writer = make_writer(format, stream, flush=True)
    for count, result in enumerate(RESULTS[:3], start=1):
        writer.add(result)
        so_far = raw.getvalue() + (b"\n]\n" if format is Format.json else b"")
        assert len(list(read_rows(so_far, format))) == count
    stream.detach()


@NO_PYARROW
def test_row_groups() -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    results = [Result("a", number, faces=some_faces(3)) for number in range(7000)]
    file = parquet.ParquetFile(io.BytesIO(written(Format.parquet, results)))
    sizes = [file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)]
    assert sum(sizes) == 21_000
    assert sizes == [10_002, 10_002, 996]


def test_csv_and_json_as_they_stand_in_the_file() -> None:
    results = [Result("a,b", faces=some_faces(0)), Result("c", 1, 0.1, error='say "no"')]
    lines = written(Format.csv, results).decode().split("\n")
    assert lines == [
        ",".join(COLUMNS),
        '"a,b",1,,0.0,,0' + 14 * "," + ",640,480,",
        "c,2,,0.1,,0" + 16 * "," + ',"say ""no"""',
        "",
    ]
    objects = [dict.fromkeys(COLUMNS) | row for result in results for row in rows(result)]
    assert [json.loads(line) for line in written(Format.jsonl, results).splitlines()] == objects
    assert json.loads(written(Format.json, results)) == objects


texts = st.text(st.characters() | st.sampled_from('\\\0ud0c8fe\udce9\ud800\n\r,"'), max_size=30)


@settings(max_examples=500, deadline=None)
@given(texts)
@example("\\" * 5 + "\udc80")
def test_spelling_is_undone(text: str) -> None:
    spelled = spell(text)
    assert unspell(spelled) == text
    assert "\0" not in spelled
    spelled.encode()


def test_what_can_be_written_as_it_is_stays() -> None:
    for text in ("C:\\users\\udo\\x.jpg", "C:\\udacity\\1.jpg", "caf\u00e9", "\\\\server\\u123", "a\\"):
        assert spell(text) == text
    assert spell("\udce9") == "\\udce9"
    assert spell("\\udce9") == "\\\\udce9"


def test_long_runs_of_backslashes_take_no_time() -> None:
    text = "\\" * 1_000_000
    assert spell(text) == text
    assert unspell(text + "\\u") == text + "\\u"


def test_shortest_decimals_read_as_the_same_float32_also_through_double() -> None:
    """What a reader does that takes doubles and rounds them."""
    numbers = np.random.default_rng(1).integers(0, 0x7F800000, 200_000, dtype=np.uint32).view(np.float32)
    doubles = np.array([float(str(number)) for number in numbers])
    assert np.array_equal(doubles.astype(np.float32).view(np.uint32), numbers.view(np.uint32))


def test_endings() -> None:
    for name, format in {
        "a.csv": Format.csv,
        "s3://b/x.PARQUET": Format.parquet,
        "a.ndjson": Format.jsonl,
    }.items():
        assert Format.of(name) is format
    assert Format.of("csv.txt") is Format.of("folder/") is None


@pytest.mark.parametrize(
    "call", ["make_writer(Format.parquet, io.BytesIO())", "read_rows(b'', Format.parquet)"]
)
def test_without_pyarrow(call: str) -> None:
    code = f"""if True:
        import io, sys
        sys.modules["pyarrow"] = None
        from mtcnn_cpp.table import Format, make_writer, read_rows
        assert not {{"rich", "pandas", "scipy"}} & set(sys.modules)
        try: {call}
        except ImportError as error: print(error)"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Parquet needs pyarrow" in done.stdout
    assert "pip install 'mtcnn-cpp[table]'" in done.stdout
