"""`--debug` prints the traceback of an error before its line; the exit code stays the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mtcnn_cpp.cli import app
from mtcnn_cpp.cli.errors import report_errors, show_tracebacks
from typer import Exit
from typer.testing import CliRunner


@pytest.fixture
def damaged(tmp_path: Path) -> str:
    path = tmp_path / "trace.npz"
    np.savez(path, manifest=np.frombuffer(b"{", np.uint8))
    return str(path)


@pytest.mark.parametrize(
    ("options", "environment"), [(["--debug"], {}), ([], {"MTCNN_CPP_DEBUG": "1"}), ([], {}), ([], None)]
)
def test_the_traceback_is_shown_on_request(
    options: list[str], environment: dict[str, str] | None, damaged: str
) -> None:
    environment = {"MTCNN_CPP_DEBUG": "0"} if environment is None else environment
    result = CliRunner().invoke(app, [*options, "inspect", damaged], env=environment)
    *lines, last = result.stderr.splitlines()
    assert result.exit_code == 2
    assert result.stdout == ""
    assert last.startswith(f"error: {damaged}: ")
    if options or environment.get("MTCNN_CPP_DEBUG") == "1":
        assert lines[0] == "Traceback (most recent call last):"
        assert any("json.decoder.JSONDecodeError" in line for line in lines)  # the cause
        assert any("The above exception was the direct cause" in line for line in lines)
        assert any(line.startswith("mtcnn_cpp.trace.errors.TraceError: ") for line in lines)
    else:
        assert lines == []


def test_the_traceback_of_an_interrupt(capsys: pytest.CaptureFixture[str]) -> None:
    show_tracebacks(True)
    try:
        with pytest.raises(Exit) as caught, report_errors():
            raise KeyboardInterrupt
    finally:
        show_tracebacks(False)
    assert caught.value.exit_code == 130
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1].startswith("error: interrupted; ")


def test_secrets_and_control_characters_are_hidden(capsys: pytest.CaptureFixture[str]) -> None:
    show_tracebacks(True)
    try:
        with pytest.raises(Exit), report_errors():
            raise ValueError("https://user:x" + "yz@host/a.png is not an image \x1b[2J")
    finally:
        show_tracebacks(False)
    shown = capsys.readouterr().err
    assert shown.count("is not an image") == 3  # in the source line, in the traceback, and in the last line
    assert "xyz" not in shown
    assert "\x1b" not in shown
