"""Run every command that reads traces and arrays on damaged files.

A command must print a result, or end with exit code 2 and the name of the file. A traceback is a finding: its
exit code 1 means a difference.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from mtcnn_cpp import Detector, sample_image
from mtcnn_cpp.cli import app
from seeds import of_file
from typer.testing import CliRunner

NAME = "pnet/level00/conv1"
EXPLAIN = ("--at", "0,0,0")


def seeds() -> list[bytes]:
    """Return a small detection as traces with and without values, and as plain arrays."""
    image = sample_image()[52:212, 136:312][::4, ::4].copy()
    detector = Detector(min_face=30, thresholds=(0.5, 0.3, 0.1))
    traces = [detector.trace(image, capture=capture) for capture in ("full", "hash", "stats")]
    small = traces[0].select("pnet/*", "rnet/*_in", "final/*")
    return [
        *(of_file(trace.save, "a.npz") for trace in (*traces, small)),
        of_file(lambda path: np.savez(path, **dict(small)), "a.npz"),  # type: ignore[arg-type]
    ]


@cache
def _gold() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="mtcnn-cpp-fuzz-"))
    atexit.register(shutil.rmtree, folder)
    (folder / "gold.npz").write_bytes(seeds()[0])
    return folder / "gold.npz"


def read(path: Path) -> None:
    """Run all commands.

    Raises ValueError with the path if every command refuses the file, and AssertionError for a finding.
    """
    gold = _gold()
    commands: list[tuple[object, ...]] = [
        ("diff", gold, path),
        ("diff", path, gold, "--format", "json"),
        ("validate", path),
        ("doctor", path, "--against", gold),
        ("inspect", path),
        ("inspect", path, NAME),
        ("explain", path, NAME, *EXPLAIN),
        ("explain", gold, path, NAME, *EXPLAIN),
    ]
    codes = set()
    for arguments in commands:
        done = CliRunner().invoke(app, list(map(str, arguments)))
        shown = f"{path}: {arguments[0]}: {done.output[-500:]!r}"
        assert done.exit_code in (0, 1, 2), shown
        assert "Traceback" not in done.output, shown
        assert all(sign.isprintable() or sign == "\n" for sign in done.output), shown
        if done.exit_code == 2:
            assert done.stderr.startswith("error: "), shown
            assert str(path) in done.stderr, shown
        codes.add(done.exit_code)
    if codes == {2}:
        raise ValueError(f"{path}: refused by every command")
