"""A folder with images and videos, as in a study, and jobs that process it."""

from __future__ import annotations

import csv
import functools
import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import png
import pytest
import typer.testing
from clips import even, make_frame, uneven, write
from mtcnn_cpp._util.files import is_leftover
from mtcnn_cpp.cli import app
from mtcnn_cpp.jobs.table import TableFormat, read_rows
from typer.testing import CliRunner

# Runs the command with small tasks, so that a small study has many tasks.
SMALL = """
import mtcnn_cpp.jobs.tasks, mtcnn_cpp.jobs.run, sys
for module in (mtcnn_cpp.jobs.tasks, mtcnn_cpp.jobs.run):
    module.FRAMES_PER_CHUNK = 5
mtcnn_cpp.jobs.tasks.IMAGES_PER_TASK = 5
from mtcnn_cpp.cli import app
app(sys.argv[1:], prog_name="mtcnn-cpp")
"""


def use_small_tasks(monkeypatch: pytest.MonkeyPatch, frames: int = 5) -> None:
    from mtcnn_cpp.jobs import run, tasks

    for module in (tasks, run):
        monkeypatch.setattr(module, "FRAMES_PER_CHUNK", frames)
    monkeypatch.setattr(tasks, "IMAGES_PER_TASK", 5)


@pytest.fixture
def small_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    use_small_tasks(monkeypatch)


def make_study(folder: Path, *, pictures: int = 12, bad: bool = True) -> Path:
    """Write images in two folders (two have the same name), three videos and two damaged files.

    The videos have more than three chunks, exactly two, and less than one.
    """
    (folder / "second").mkdir(parents=True)
    for index in range(pictures):
        inside = folder / ("second" if index % 3 == 0 else ".")
        (inside / f"p{index:02d}.png").write_bytes(image_file(index))
    (folder / "second" / "p01.png").write_bytes(png.encode(make_frame(1)[:80]))
    for name, content in videos().items():
        if bad or name != "cut.mkv":
            (folder / name).write_bytes(content)
    if bad:
        (folder / "bad.jpg").write_text("no picture")
    return folder


@functools.cache
def image_file(index: int) -> bytes:
    """Return a PNG file with frame `index`."""
    return png.encode(make_frame(index))


@functools.cache
def videos() -> dict[str, bytes]:
    """Return the contents of the videos of a study by their paths."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = [
            write(folder / "long.mp4", even(17), options={"bf": "2"}),
            write(folder / "exact.mkv", uneven(10)),
            write(folder / "short.webm", uneven(3), codec="libvpx-vp9", options={"deadline": "realtime"}),
            write(folder / "cut.mkv", even(30)),
        ]
        contents = {path.name: path.read_bytes() for path in paths}
    contents["second/short.webm"] = contents.pop("short.webm")
    contents["cut.mkv"] = contents["cut.mkv"][:-500]
    return contents


def run(*arguments: object, **options: Any) -> typer.testing.Result:
    """Run the command in this process."""
    return CliRunner().invoke(app, ["detect", *map(str, arguments)], env={"COLUMNS": "200"}, **options)


def run_small(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command in a separate process, with small tasks."""
    command = [sys.executable, "-c", SMALL, "detect", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def rows_of(output: Path) -> list[dict[str, object]]:
    """Return all rows of a table or of a folder with part files, sorted."""
    files = [output] if output.is_file() else [file for file in output.iterdir() if file.name[0] not in "._"]
    rows: list[dict[str, object]] = []
    for file in files:
        format = TableFormat.from_name(file.name)
        assert format is not None, file
        rows += read_rows(file.read_bytes(), format, name=file.name)
    return sorted(rows, key=repr)


def cells(text: str) -> list[dict[str, str]]:
    """Return the rows of a CSV as text."""
    return list(csv.DictReader(io.StringIO(text)))


def leftover_files(folder: Path) -> list[str]:
    """Return the temporary files of killed processes, except those of tables in one file."""
    return [name for _, _, names in os.walk(folder) for name in names if is_leftover(name)]
