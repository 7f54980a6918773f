"""A folder of pictures and videos as a study has it, and jobs on it."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.testing
from clips import even, picture, uneven, write
from mtcnn_cpp import png
from mtcnn_cpp.cli import app
from mtcnn_cpp.files import is_leftover
from mtcnn_cpp.table import Format, read_rows
from typer.testing import CliRunner

# Jobs of the command with small units, so that a small study has many of them.
SMALL = """
import mtcnn_cpp.jobs.unit, mtcnn_cpp.jobs.parts, mtcnn_cpp.jobs.work, sys
for module in (mtcnn_cpp.jobs.unit, mtcnn_cpp.jobs.parts, mtcnn_cpp.jobs.work):
    module.STRETCH = 10
mtcnn_cpp.jobs.unit.PICTURES = 5
from mtcnn_cpp.cli import app
app(sys.argv[1:], prog_name="mtcnn-cpp")
"""


@pytest.fixture
def small_units(monkeypatch: pytest.MonkeyPatch) -> None:
    from mtcnn_cpp.jobs import parts, unit, work

    for module in (parts, unit, work):
        monkeypatch.setattr(module, "STRETCH", 10)
    monkeypatch.setattr(unit, "PICTURES", 5)


def make_study(folder: Path, *, pictures: int = 12, bad: bool = True) -> Path:
    """Pictures in two folders, two of one name; a video of three stretches and a bit, one of exactly two, a
    short one; and what is wrong with some."""
    (folder / "second").mkdir(parents=True)
    for index in range(pictures):
        inside = folder / ("second" if index % 3 == 0 else ".")
        (inside / f"p{index:02d}.png").write_bytes(png.encode(picture(index)))
    (folder / "second" / "p01.png").write_bytes(png.encode(picture(1)[:80]))
    write(folder / "long.mp4", even(33), options={"bf": "2"})
    write(folder / "exact.mkv", uneven(20))
    write(folder / "second" / "short.webm", uneven(4), codec="libvpx-vp9", options={"deadline": "realtime"})
    if bad:
        (folder / "bad.jpg").write_text("no picture")
        cut = write(folder / "cut.mkv", even(60))
        cut.write_bytes(cut.read_bytes()[:-500])
    return folder


def run(*arguments: object, **options: Any) -> typer.testing.Result:
    """The command in this process."""
    return CliRunner().invoke(app, ["detect", *map(str, arguments)], env={"COLUMNS": "200"}, **options)


def run_small(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, with small units."""
    command = [sys.executable, "-c", SMALL, "detect", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def rows_of(output: Path) -> list[dict[str, object]]:
    """All rows of a table or of a folder of parts, sorted."""
    files = [output] if output.is_file() else [file for file in output.iterdir() if file.name[0] not in "._"]
    rows: list[dict[str, object]] = []
    for file in files:
        format = Format.of(file.name)
        assert format is not None, file
        rows += read_rows(file.read_bytes(), format, name=file.name)
    return sorted(rows, key=repr)


def cells(text: str) -> list[dict[str, str]]:
    """The rows of a CSV as text."""
    return list(csv.DictReader(io.StringIO(text)))


def left_behind(folder: Path) -> list[str]:
    """What a killed process has left of files that it was writing, but for tables in one file."""
    return [name for _, _, names in os.walk(folder) for name in names if is_leftover(name)]
