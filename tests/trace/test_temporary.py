"""Temporary traces of compare, validate and verify: a common limit, in TMPDIR, and removed afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from images import portrait
from mtcnn_cpp import Detector, Model
from mtcnn_cpp.cli import app
from mtcnn_cpp.media.image.pixels import to_pixels
from mtcnn_cpp.trace import TraceError, capture
from mtcnn_cpp.trace.replay import compare_engines, validate
from typer.testing import CliRunner, Result

TIMEOUT = 30.0  # maximum seconds until an interrupted command ends


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's folder for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def folders(temporary: Path) -> list[Path]:
    """Temporary folders that remain; ONNX Runtime writes the file .ses."""
    return [path for path in temporary.iterdir() if path.name != ".ses"]


@pytest.fixture
def commands(tmp_path: Path, temporary: Path) -> dict[str, tuple[object, ...]]:
    image_path = tmp_path / "portrait.png"
    sides = (image_path, "--a", "core", "--b", "generic", "--no-annotated")
    cv2.imwrite(str(image_path), portrait())
    trace = tmp_path / "trace.npz"
    Detector().trace(portrait()).save(trace)
    found: dict[str, tuple[object, ...]] = {
        "compare": ("compare", *sides),
        "compare --isolated": ("compare", *sides, "--isolated"),
        "validate": ("validate", trace),
        "validate --isolated": ("validate", trace, "--isolated"),
    }
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError:
        return found
    from mtcnn_cpp.formats import export_onnx

    export_onnx(Model.default(), tmp_path / "out")
    return found | {"verify": ("verify", tmp_path / "out", image_path)}


def test_a_limit_and_an_option(
    commands: dict[str, tuple[object, ...]], temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, command in commands.items():
        for limit in (300_000, 900_000):  # estimated from the size of the image; measured while it runs
            monkeypatch.setattr(capture, "LIMIT", limit)
            refused = run(*command)
            assert refused.exit_code == 2, (name, refused.output)
            (line,) = [line for line in refused.stderr.splitlines() if line.startswith("error: ")]
            assert "allow it" in line, name
            assert "--yes" in line, name
        monkeypatch.setattr(capture, "LIMIT", 300_000)
        allowed = run(*command, "--yes")
        assert allowed.exit_code == 0, (name, allowed.output)
        assert not folders(temporary)


def test_the_message_contains_the_estimated_size(
    commands: dict[str, tuple[object, ...]], temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture, "LIMIT", 300_000)
    text = run(*commands["compare"]).stderr
    assert f"2 temporary traces in {temporary}" in text
    assert "each 0.4 MB for the image and PNet, then" in text
    assert "that is more than 0.000279397 GiB; allow it with --yes, or use a smaller image" in text


def test_the_limit_is_for_all_traces_together(tmp_path: Path) -> None:
    """Each of two traces is below the limit, their sum is not."""
    engine, pixels = Detector().engine, to_pixels(portrait())
    path = tmp_path / "one.npz"
    size = Detector().trace(portrait())
    size.save(path)
    values = path.stat().st_size
    path.unlink()
    assert validate(size, engine, tmp_path, limit=values + 100_000).ok
    (tmp_path / "again.npz").unlink()
    with pytest.raises(TraceError, match="the capture exceeds"):
        compare_engines(pixels, engine, engine, tmp_path, limit=values + 100_000)


COMMAND = """
import signal, sys
from mtcnn_cpp.cli import app
signal.signal(signal.SIGINT, signal.default_int_handler)  # in case the tests run in the background
app(sys.argv[1:])
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("name", ["compare", "validate"])
def test_no_file_remains_after_a_signal(
    name: str, number: signal.Signals, tmp_path: Path, temporary: Path
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (500, 500, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "large.png"), image)
    trace = tmp_path / "trace.npz"
    large = str(tmp_path / "large.png")
    command = ["compare", large, "--no-annotated"]
    if name == "validate":
        command = ["validate", str(trace), "--image", large, "--backend", "reference"]
        Detector().trace(image, capture="hash").save(trace)
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        deadline = time.monotonic() + TIMEOUT
        while not any(temporary.rglob("*.part")) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert any(temporary.rglob("*.part")), process.poll()
        process.send_signal(number)
        assert process.wait(TIMEOUT) == 128 + number
    assert not folders(temporary)
