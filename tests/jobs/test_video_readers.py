"""The reader of videos as an option of `detect`, and where its version is recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from clips import av, even, write
from mtcnn_cpp.cli import app
from mtcnn_cpp.jobs.table import TableFormat, read_rows
from mtcnn_cpp.media.video.reader import ReaderOptions, describe_reader
from typer.testing import CliRunner, Result

cv2 = pytest.importorskip("cv2")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "400"})


def rows(path: Path) -> list[dict[str, Any]]:
    with open(path, "rb") as file:
        return [dict(row) for row in read_rows(file, TableFormat.csv, name=str(path))]


def test_both_readers_give_the_same_table(tmp_path: Path) -> None:
    clip = write(tmp_path / "clip.mp4", even(6), options={"bf": "2"})
    tables = {}
    for reader in ("opencv", "pyav"):
        table = tmp_path / f"{reader}.csv"
        assert run("detect", str(clip), "-o", str(table), "--reader", reader).exit_code == 0
        tables[reader] = table.read_bytes()
    assert tables["opencv"] == tables["pyav"]
    assert len(rows(tmp_path / "pyav.csv")) == 6


def test_resuming_with_another_reader_is_refused(tmp_path: Path) -> None:
    clip, folder = write(tmp_path / "clip.mp4", even(3)), tmp_path / "parts"
    command = ["detect", str(clip), "-o", str(folder), "--format", "csv", "--resume"]
    assert run(*command).exit_code == 0
    manifest = folder / "_job.json"
    settings = json.loads(manifest.read_text())["settings"]
    assert settings["video_reader"] == describe_reader(ReaderOptions("pyav"))
    assert (settings["stream"], settings["deinterlace"]) == (None, False)
    assert run(*command, "--reader", "pyav").exit_code == 0
    for options, message in (
        (["--reader", "opencv"], f'now "{describe_reader(ReaderOptions("opencv"))}"'),
        (["--deinterlace"], "deinterlace was false, now true"),
        (["--stream", "0"], "stream was null, now 0"),
    ):
        result = run(*command, *options)
        assert result.exit_code == 2
        assert message in " ".join(result.stderr.split())


def test_metadata_and_info(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    clip = write(tmp_path / "clip.mp4", even(2))
    for reader in (None, "opencv", "pyav"):
        table = tmp_path / f"{reader}.parquet"
        options = ["--reader", reader] if reader else []
        assert run("detect", str(clip), "-o", str(table), *options).exit_code == 0
        described = describe_reader(ReaderOptions(reader))  # type: ignore[arg-type]
        assert parquet.read_schema(table).metadata[b"video_reader"].decode() == described
        assert described.startswith(f"{reader or 'pyav'} ")
    assert json.loads(run("info", "--format", "json").stdout)["video_reader"] == describe_reader()


def test_invalid_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = str(write(tmp_path / "clip.mp4", even(2)))
    for options, message in (
        (["--reader", "opencv", "--deinterlace"], "the reader opencv does not support deinterlace"),
        (["--stream", "-1"], "stream must be 0"),
    ):
        result = run("detect", clip, *options)
        assert result.exit_code == 2
        assert message in " ".join(result.stderr.split())
    result = run("detect", clip, "--stream", "3")
    assert result.exit_code == 1
    assert "stream 3 does not exist" in result.output
    monkeypatch.setattr(av, "__version__", "1.0.0")
    result = run("detect", clip, "--deinterlace")
    assert result.exit_code == 2
    assert "pip install 'mtcnn-cpp[video]'" in " ".join(result.stderr.split())
