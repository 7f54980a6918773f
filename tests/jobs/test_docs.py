"""docs/jobs.md does what it says: its commands and its Python are run, in order."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from mtcnn_cpp.cli import app
from mtcnn_cpp.table import COLUMNS
from pictures import ROOT
from typer.testing import CliRunner

PAGE = ROOT / "docs" / "jobs.md"


def test_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas")
    pytest.importorskip("matplotlib").use("Agg")
    monkeypatch.chdir(tmp_path)
    text = re.sub(r"<!-- not run -->\n```.*?\n```", "", PAGE.read_text("utf-8"), flags=re.S)
    names: dict[str, object] = {}
    done = []
    for language, block in re.findall(r"```(python|console)\n(.*?)```", text, flags=re.S):
        if language == "python":
            exec(compile(block, str(PAGE), "exec"), names)
            done.append("python")
            continue
        for command in re.findall(r"^\$ mtcnn-cpp (.*)$", block, flags=re.M):
            result = CliRunner().invoke(app, shlex.split(command))
            assert result.exit_code == 0, result.output
            done.append(command.split()[0])
    assert done == ["sample", "detect", "python", "python", "python", "python"]
    assert (tmp_path / "confidence.png").stat().st_size > 5000
    assert {str(kind) for kind in names["exact"].dtypes[names["floats"]]} == {"float32"}  # type: ignore[attr-defined, index]


def test_every_column_is_described() -> None:
    text = PAGE.read_text("utf-8")
    for name in COLUMNS:
        assert f"`{name}`" in text or re.search(r"_(eye|corner)_|nose_", name), name
