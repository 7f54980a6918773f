"""dump: parts of a trace, too large captures, and existing files."""

from __future__ import annotations

import re
from pathlib import Path

import png
import pytest
from images import FAST, portrait
from mtcnn_cpp.cli import app
from mtcnn_cpp.trace import Trace, capture
from typer.testing import CliRunner, Result


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)), env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dump") / "face.png"
    path.write_bytes(png.encode(portrait()))
    return path


def test_dump_of_selected_names_at_one_level(image: Path, tmp_path: Path) -> None:
    options = [
        "--only",
        "pnet/level01/*",
        "--only",
        "*/boxes",
        "--capture",
        "stats",
        "--backend",
        "reference",
    ]
    made = run("dump", "--sample", "-o", tmp_path / "a.npz", *options)
    assert made.exit_code == 0
    trace = Trace.load(tmp_path / "a.npz")
    assert trace.manifest.capture == "stats"
    assert trace.manifest.only == ("pnet/level01/*", "*/boxes")
    assert all(name.startswith("pnet/level01/") or name.endswith("/boxes") for name in trace)


@pytest.mark.parametrize(
    ("cause", "code", "message"),
    [
        (KeyboardInterrupt(), 130, "error: interrupted; incomplete files were not written\n"),
        (
            OSError(28, "No space left on device"),
            2,
            "error: {} could not be written (No space left on device); ",
        ),
    ],
)
def test_an_interrupt_or_a_full_disk_keeps_the_earlier_file(
    cause: BaseException,
    code: int,
    message: str,
    image: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    earlier = tmp_path / "a.npz"
    earlier.write_bytes(b"earlier")

    def fail(*_: object) -> None:
        raise cause

    monkeypatch.setattr("numpy.lib.format.write_array_header_1_0", fail)
    result = run("dump", image, "-o", earlier, "--backend", FAST)
    assert result.exit_code == code
    assert message.format(earlier) in result.stderr
    assert earlier.read_bytes() == b"earlier"
    assert list(tmp_path.iterdir()) == [earlier]


def test_a_large_capture_needs_yes(image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "LIMIT", 300_000)
    command = ("dump", image, "-o", tmp_path / "a.npz", "--backend", FAST)
    refused = run(*command)
    assert refused.exit_code == 2
    assert "about 0.4 MB for the image and PNet" in refused.stderr
    assert "that is more than 0.000279397 GiB; allow it with --yes, or capture less" in refused.stderr
    monkeypatch.setattr(capture, "LIMIT", 600_000)  # PNet alone fits
    refused = run(*command)
    assert refused.exit_code == 2
    assert re.search(r"the capture exceeds .* at [ro]net/crop\d{3}/\w+; allow it", refused.stderr)
    assert not list(tmp_path.iterdir())
    assert run(*command, "--yes").exit_code == 0
