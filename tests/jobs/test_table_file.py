"""A table in one file: the complete rows stay, however the job ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import png
import pytest
from clips import even, make_frame, write
from mtcnn_cpp.jobs.table import TableFormat, read_rows
from mtcnn_cpp.jobs.table.rows import FrameResult
from mtcnn_cpp.jobs.table_file import TableFile
from study import cells, rows_of, run

# The command ends itself, by a signal or an exception, after a number of written results.
ENDING = """
import os, signal, sys
signal.signal(2, signal.default_int_handler)  # which may be ignored in a test
import mtcnn_cpp.jobs.table.parquet
from mtcnn_cpp.jobs import table_file
mtcnn_cpp.jobs.table.parquet.ROWS_PER_GROUP = 4
add, seen = table_file.TableFile.add, []
def counted(self, result):
    add(self, result)
    seen.append(result)
    if len(seen) == {count}:
        {ending}
table_file.TableFile.add = counted
from mtcnn_cpp.cli import app
app(sys.argv[1:], prog_name="mtcnn-cpp")
"""
COUNT = 6  # written results
KILL = "os.kill(os.getpid(), signal.{})"
FORMATS = [format.value for format in TableFormat]


def end_process(ending: str, *arguments: object) -> tuple[int, str]:
    """Run a job that ends itself in a separate process. Return its exit code and standard error."""
    code = ENDING.format(count=COUNT, ending=ending)
    command = [sys.executable, "-c", code, "detect", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


def end(ending: str, *arguments: object) -> tuple[int, str]:
    """Run a job that ends itself in this process. Return its exit code and standard error."""
    add, seen = TableFile.add, []

    def counted(self: TableFile, result: FrameResult) -> None:
        add(self, result)
        seen.append(result)
        if len(seen) == COUNT:
            exec(ending, {"os": os, "signal": signal})

    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("mtcnn_cpp.jobs.table.parquet.ROWS_PER_GROUP", 4)
            patch.setattr(TableFile, "add", counted)
            done = run(*arguments)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return done.exit_code, done.stderr


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for index in range(4):
        (folder / f"p{index}.png").write_bytes(png.encode(make_frame(index)))
    write(folder / "clip.mp4", even(12))
    return folder


def kept(path: Path) -> list[dict[str, object]]:
    ending = next(part for part in path.name.split(".") if part in FORMATS)
    return list(read_rows(path.read_bytes(), TableFormat(ending), name=path.name))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals for processes")
@pytest.mark.parametrize(
    ("format", "ending", "code", "end"),
    [
        ("csv", KILL.format("SIGINT"), 130, end_process),
        ("jsonl", KILL.format("SIGINT"), 130, end),
        ("json", KILL.format("SIGINT"), 130, end),
        ("parquet", KILL.format("SIGINT"), 130, end_process),
        ("csv", KILL.format("SIGTERM"), 143, end),
        ("jsonl", "raise OSError('of something else')", 2, end),
        ("json", "raise MemoryError", 2, end),
        ("parquet", "raise MemoryError", 2, end),
        ("csv", "raise AssertionError('a fault of the program')", 2, end),
    ],
)
def test_complete_rows_stay(
    study: Path,
    format: str,
    ending: str,
    code: int,
    end: Callable[..., tuple[int, str]],
    tmp_path: Path,
) -> None:
    if format == "parquet":
        pytest.importorskip("pyarrow")
    output = tmp_path / f"faces.{format}"
    whole = tmp_path / f"whole.{format}"
    assert run(study, "-o", whole).exit_code == 0
    found, message = end(ending, study, "-o", output)
    assert found == code, message
    assert not output.exists()
    rows = kept(tmp_path / f"faces.{format}.partial")
    sources = {(row["source"], row["frame"]) for row in rows}
    assert len(sources) == 6
    assert sorted(rows, key=repr) == [
        row for row in rows_of(whole) if (row["source"], row["frame"]) in sources
    ]
    told = f"{len(rows)} complete rows are kept in {output}.partial; a job with --output FOLDER/ can be"
    assert message.count(told) == 1
    assert "were not written" not in message


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("format", ["csv", "jsonl"])
def test_killed_the_lines_so_far_are_there(study: Path, format: str, tmp_path: Path) -> None:
    code, _ = end_process(KILL.format("SIGKILL"), study, "-o", tmp_path / f"faces.{format}")
    assert code == -signal.SIGKILL
    rows = kept(tmp_path / f"faces.{format}.partial")
    assert len({(row["source"], row["frame"]) for row in rows}) == 6


def test_without_a_row_nothing_stays(tmp_path: Path) -> None:
    def interrupted() -> None:
        with TableFile(str(tmp_path / "t.csv"), TableFormat.csv):
            assert os.listdir(tmp_path) == ["t.csv.partial"]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("format", FORMATS)
def test_a_complete_table_replaces_the_partial_one(study: Path, format: str, tmp_path: Path) -> None:
    if format == "parquet":
        pytest.importorskip("pyarrow")
    output = tmp_path / f"faces.{format}"
    output.write_bytes(b"earlier")
    assert run(study, "-o", output).exit_code == 0
    assert len(rows_of(output)) >= 16
    assert sorted(os.listdir(tmp_path)) == [output.name, "in"]


def test_a_file_of_the_user_stays(study: Path, tmp_path: Path) -> None:
    """An existing file NAME.partial is never changed, whoever wrote it."""
    theirs = tmp_path / "faces.csv.partial"
    theirs.write_bytes(b"precious")
    assert run(study, "-o", tmp_path / "faces.csv").exit_code == 0
    _, message = end(KILL.format("SIGTERM"), study, "-o", tmp_path / "faces.csv")
    assert f"kept in {tmp_path / 'faces.csv.2.partial'};" in message
    assert theirs.read_bytes() == b"precious"
    assert len(rows_of(tmp_path / "faces.csv")) > len(kept(tmp_path / "faces.csv.2.partial")) > 0
    if os.name != "nt":
        (tmp_path / "faces.csv.3.partial").symlink_to(tmp_path / "nowhere")
        end(KILL.format("SIGTERM"), study, "-o", tmp_path / "faces.csv")
        assert not (tmp_path / "nowhere").exists()
        assert (tmp_path / "faces.csv.4.partial").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows counts signs, not bytes")
@pytest.mark.parametrize("name", ["x" * 251 + ".csv", "人" * 83 + ".csv"])
def test_a_name_as_long_as_names_may_be(study: Path, name: str, tmp_path: Path) -> None:
    assert run(study, "-o", tmp_path / name).exit_code == 0
    assert len(rows_of(tmp_path / name)) >= 16
    code, _ = end(KILL.format("SIGTERM"), study, "-o", tmp_path / name)
    assert code == 143
    assert len([file for file in os.listdir(tmp_path) if file.endswith(".partial")]) == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such limit")
@pytest.mark.parametrize("format", FORMATS)
def test_a_full_disk(format: str, tmp_path: Path) -> None:
    """One error; the complete rows stay, but in Parquet, which cannot be ended then."""
    if format == "parquet":
        pytest.importorskip("pyarrow")
    limits = {limit: tmp_path / str(limit) for limit in range(3000, 9001, 751)}
    code = f"""
import resource, signal, sys
import mtcnn_cpp.jobs.table.parquet
mtcnn_cpp.jobs.table.parquet.ROWS_PER_GROUP = 4
from mtcnn_cpp.jobs.table_file import TableFile
from mtcnn_cpp.jobs.table import TableFormat
from mtcnn_cpp.jobs.table.rows import FrameResult
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
for limit, folder in {[(limit, str(folder)) for limit, folder in limits.items()]!r}:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))
    table = TableFile(folder + "/t", TableFormat({format!r}))
    try:
        with table:
            for index in range(200):
                table.add(FrameResult("a", index, error="x" * 100))
    except OSError as error:
        print(error.errno, error)
"""
    for folder in limits.values():
        folder.mkdir()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    for (limit, folder), message in zip(limits.items(), done.stdout.splitlines(), strict=True):
        assert message.startswith(f"27 {folder / 't'} could not be written (File too large); "), limit
        if format == "parquet":
            assert os.listdir(folder) == []
            assert "no incomplete file remains" in message
            continue
        rows = list(read_rows((folder / "t.partial").read_bytes(), TableFormat(format)))
        assert [row["frame"] for row in rows] == [*range(1, len(rows) + 1)]
        assert f"; {len(rows)} complete rows are kept in" in message
        assert (limit - 500) / 600 < len(rows) < limit / 100


def test_an_interrupt_while_a_row_group_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C reaches the main thread alone, so a Parquet file can be ended in any case."""
    pytest.importorskip("pyarrow")
    from mtcnn_cpp.jobs.table import parquet

    monkeypatch.setattr(parquet, "ROWS_PER_GROUP", 2)
    write_group = parquet.ParquetWriter._write

    def interrupting(self: parquet.ParquetWriter) -> None:
        if self._pending[-1]["frame"] == 6:
            signal.raise_signal(signal.SIGINT)
        write_group(self)

    monkeypatch.setattr(parquet.ParquetWriter, "_write", interrupting)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    table = TableFile(str(tmp_path / "t.parquet"), TableFormat.parquet)

    def interrupted() -> None:
        with table:
            for index in range(1000):
                table.add(FrameResult("a", index, error="x"))

    try:
        with pytest.raises(KeyboardInterrupt):
            interrupted()
    finally:
        signal.signal(signal.SIGINT, before)
    rows = kept(tmp_path / "t.parquet.partial")
    assert [row["frame"] for row in rows] == [*range(1, len(rows) + 1)]
    assert len(rows) == table.rows >= 6


def test_rows_appear_as_they_are_made(tmp_path: Path) -> None:
    with TableFile(str(tmp_path / "t.csv"), TableFormat.csv) as table:
        for index in range(3):
            table.add(FrameResult("a", index, error="x"))
            assert len(cells((tmp_path / "t.csv.partial").read_text())) == index + 1


def test_in_an_object_store_the_rows_stay_here(
    bucket: str, s3: Any, fresh: None, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupt, or an upload that fails: the rows are in a file of this machine."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code, message = end(KILL.format("SIGTERM"), study, "-o", f"s3://{bucket}/t.csv")
    assert code == 143, message
    (partial,) = tmp_path.glob("mtcnn-cpp-*/t.csv.partial")
    assert f"complete rows are kept in {partial};" in message
    assert len({(row["source"], row["frame"]) for row in kept(partial)}) == 6
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    code, _ = end("pass", study, "-o", "s3://no-such-bucket-here/u.csv")
    assert code == 2
    (partial,) = tmp_path.glob("mtcnn-cpp-*/u.csv.partial")
    assert len({(row["source"], row["frame"]) for row in kept(partial)}) == 16
    code, message = end("pass", study, "-o", f"s3://{bucket}/v.csv")
    assert code == 0, message
    assert len(list(tmp_path.glob("mtcnn-cpp-*"))) == 2
    data = s3.get_object(Bucket=bucket, Key="v.csv")["Body"].read()
    assert len(cells(data.decode())) >= 16
    assert np.unique([row["source"] for row in cells(data.decode())]).size == 5
