"""Messages of `detect`: progress line, singular and plural, options without effect."""

from __future__ import annotations

import io
from pathlib import Path

import png
import pytest
from clips import even, write
from images import portrait
from mtcnn_cpp.cli import app
from mtcnn_cpp.cli.progress import _make_bar
from mtcnn_cpp.jobs.plan import Plan
from mtcnn_cpp.jobs.sources import Source
from rich.console import Console
from study import rows_of, run
from typer.testing import CliRunner


@pytest.mark.parametrize("width", [1, 20, 40, 60, 79, 80, 81, 100, 120, 200])
@pytest.mark.parametrize(
    ("total", "done", "faces", "failed"),
    [
        (1_234_567, 123_456, 1_234_567, 12_345),
        (10**9, 10**9, 10**9, 10**9),
        (100, 3, 4, 0),
        (None, 123_456, 5, 0),
    ],
)
def test_the_progress_is_one_line(width: int, total: int | None, done: int, faces: int, failed: int) -> None:
    bar = _make_bar()
    task = bar.add_task("", total=total, faces=0, failed=0)
    for _ in range(3):  # so that a speed is shown
        bar.update(task, advance=done / 3, faces=faces, failed=failed)
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    console.print(bar.get_renderable())
    shown = console.file.getvalue()
    assert shown.count("\n") == 1
    assert len(shown) <= width + 1
    if width >= 80 and total == 100:
        assert "3 of 100" in shown
        assert "faces 4, failed 0" in shown


@pytest.mark.parametrize(
    ("kinds", "shown"),
    [
        (["live"], "1 live source"),
        (["live", "live"], "2 live sources"),
        (["image", "video", "live"], "1 image, 1 video, 1 live source"),
        (["image"] * 1000, "1,000 images"),
        ([], "nothing"),
    ],
)
def test_singular_and_plural(kinds: list, shown: str) -> None:
    assert str(Plan([Source(str(index), kind, "") for index, kind in enumerate(kinds)])) == shown


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.png").write_bytes(png.encode(portrait()))
    write(tmp_path / "clip.mp4", even(2))
    return tmp_path


@pytest.mark.parametrize("output", [[], ["-o", "t.csv"], ["-o", "parts/"], ["-o", "t.csv", "--quiet"]])
def test_track_without_a_video(here: Path, output: list[str]) -> None:
    """A warning, a complete table, and exit code 1, because the request was only partly fulfilled."""
    pytest.importorskip("trackers")
    result = run("a.png", "--track", *output)
    assert result.exit_code == 1
    warning = "warning: --track follows faces through a video, but no source is a video or live source"
    assert result.stderr.count(warning) == 1
    if "t.csv" in output:
        assert len(rows_of(here / "t.csv")) == 1


@pytest.mark.parametrize("names", [["clip.mp4"], ["a.png", "clip.mp4"], ["."]])
def test_track_with_a_video(here: Path, names: list[str]) -> None:
    pytest.importorskip("trackers")
    result = run(*names, "--track", "-o", "t.csv")
    assert result.exit_code == 0
    assert "warning" not in result.stderr


def test_help_states_the_defaults() -> None:
    def shown(*arguments: str) -> str:
        result = CliRunner().invoke(app, [*arguments, "--help"], env={"COLUMNS": "300"})
        return " ".join(result.output.replace("│", " ").split())

    assert "The results of onnx and torch differ in the last digits. The last digits of openface" in shown(
        "detect"
    )
    assert "All but onnx and torch give the same bits" not in shown("detect")
    assert "hash: also SHA-256 of the values; stats: also SHA-256 and statistics" in shown("dump")


def test_dump_levels_match_the_help(here: Path) -> None:
    from mtcnn_cpp import Trace

    for level, has_hash, has_statistics in (
        ("names", False, False), ("hash", True, False), ("stats", True, True), ("full", True, False)
    ):  # fmt: skip
        arguments = ["dump", "a.png", "-o", f"{level}.npz", "--capture", level, "--only", "final/*"]
        assert CliRunner().invoke(app, arguments).exit_code == 0
        entry = Trace.load(f"{level}.npz").info("final/boxes")
        assert (entry.sha256 is not None, entry.statistics is not None) == (has_hash, has_statistics)
