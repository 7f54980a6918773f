"""docs/finding-a-fault.md does what it says: its Python and commands are run, their output is compared."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from mtcnn_cpp.cli import app
from typer.testing import CliRunner

PAGE = Path(__file__).parents[2] / "docs" / "finding-a-fault.md"


def blocks() -> list[tuple[str, str]]:
    """Language and text of the fenced blocks, but for those marked as not run."""
    text = re.sub(r"<!-- not run -->\n```.*?\n```", "", PAGE.read_text("utf-8"), flags=re.S)
    return re.findall(r"```(python|console)\n(.*?)```", text, flags=re.S)


def test_the_walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra: pip install 'mtcnn-cpp[report]'")
    pytest.importorskip("jinja2", reason="needs the extra: pip install 'mtcnn-cpp[report]'")
    monkeypatch.chdir(tmp_path)
    commands = 0
    for language, text in blocks():
        if language == "python":
            exec(compile(text, str(PAGE), "exec"), {})
            continue
        for command, expected in re.findall(r"^\$ mtcnn-cpp (.*)\n((?:[^$].*\n)*)", text, flags=re.M):
            result = CliRunner().invoke(app, shlex.split(command))
            assert result.stdout.startswith(expected), command
            wrong = "first divergence" in expected or "--model-b" in command or "--against" in command
            assert result.exit_code == int(wrong), command
            commands += 1
    assert commands == 7
    assert (tmp_path / "report.html").stat().st_size > 100_000


def test_pictures_are_there() -> None:
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", PAGE.read_text("utf-8")):
        assert (PAGE.parent / picture).stat().st_size > 10_000
