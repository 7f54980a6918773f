"""Impossible shapes and options in files: exit code 2, and the message names the file."""

from __future__ import annotations

import ast
import io
import json
import math
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from images import portrait
from mtcnn_cpp import Detector
from mtcnn_cpp.cli import app
from mtcnn_cpp.reference.options import Options
from mtcnn_cpp.trace import Trace
from typer.testing import CliRunner

NAME = "pnet/level00/conv1"
SHAPES = {
    "negative": "(-1, -1)",
    "one negative": "(1, -1)",
    "truth values": "(True, True)",
    "more than 64 bits, with 0": f"(0, {10**23})",
    "64 bits, with 0": f"({2**63 - 1}, 0)",
    "product": f"({2**40}, {2**40})",
    "101 axes": "(" + "1, " * 101 + ")",
    "33 axes": "(" + "1, " * 33 + ")",
    "floats": "(1.0, 2.0)",
    "text": "('1',)",
    "nested": "((1,),)",
    "a list": "[1, 2]",
    "a number": "3",
    "none": "None",
}
OPTIONS: dict[str, Any] = {
    "min_face huge": {"min_face": 10**400},
    "min_face infinite": {"min_face": float("inf")},
    "min_face text": {"min_face": "\x1b[2J"},
    "min_face none": {"min_face": None},
    "min_face tiny": {"min_face": 1e-300},
    "min_face true": {"min_face": True},
    "scale_factor of 10^-400 levels": {"scale_factor": 0.9999999999999999},
    "scale_factor huge": {"scale_factor": 10**4000},
    "thresholds": {"thresholds": [0.6, 10**400, 0.7]},
    "four thresholds": {"thresholds": [0.6, 0.7, 0.7, 0.7]},
    "no thresholds": {"thresholds": {}},
    "unknown": {"unknown": 1},
}


@pytest.fixture(scope="module")
def gold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("numbers") / "gold.npz"
    Detector(min_face=120).trace(portrait()).save(path)
    return path


def run(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(map(str, arguments)))
    assert "Traceback" not in done.output
    assert "fault of mtcnn_cpp" not in done.output
    return done.exit_code, done.output


def npy_with(shape: str) -> bytes:
    """An array file with that shape and at most 64 bytes of values."""
    try:
        count = min(max(math.prod(ast.literal_eval(shape)) * 4, 0), 64)
    except TypeError:
        count = 8
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(int(count))


def with_options(gold: Path, path: Path, changes: dict[str, Any]) -> Path:
    """A copy of the trace with changed options in its manifest."""
    with zipfile.ZipFile(gold) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "manifest.npy":
                fields = json.loads(np.load(io.BytesIO(data)).tobytes())
                fields["options"] |= changes
                file = io.BytesIO()
                np.save(file, np.frombuffer(json.dumps(fields).encode(), np.uint8))
                data = file.getvalue()
            new.writestr(name, data)
    return path


@pytest.mark.parametrize("title", SHAPES)
def test_shapes_in_headers(gold: Path, tmp_path: Path, title: str) -> None:
    path, folder = tmp_path / "candidate.npz", tmp_path / "folder"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{NAME}.npy", npy_with(SHAPES[title]))
    folder.mkdir()
    (folder / "pnet__level00__conv1.npy").write_bytes(npy_with(SHAPES[title]))
    for file, arguments in (
        (path, ("doctor", path, "--against", gold)),
        (folder / "pnet__level00__conv1.npy", ("doctor", folder, "--against", gold)),
        (path, ("doctor", path)),
        (path, ("inspect", path)),
    ):
        code, output = run(*arguments)
        assert code == 2, output
        assert str(file) in output
        assert output.count("\n") == 1


@pytest.mark.parametrize("title", SHAPES)
def test_shapes_in_the_entries_of_a_trace(gold: Path, tmp_path: Path, title: str) -> None:
    path = tmp_path / "candidate.npz"
    with zipfile.ZipFile(gold) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, npy_with(SHAPES[title]) if name == f"{NAME}.npy" else old.read(name))
    for arguments in (
        ("diff", gold, path),
        ("diff", path, gold),
        ("inspect", path, NAME),
        ("explain", path, NAME, "--at", "0,0,0"),
        ("validate", path),
        ("doctor", path, "--against", gold),
    ):
        code, output = run(*arguments)
        assert code == 2, output
        assert str(path) in output


@pytest.mark.parametrize("title", OPTIONS)
def test_options_in_manifests(gold: Path, tmp_path: Path, title: str) -> None:
    path = with_options(gold, tmp_path / "candidate.npz", OPTIONS[title])
    code, output = run("validate", path)
    assert code == 2, output
    assert str(path) in output
    code, output = run("doctor", path, "--against", gold)
    assert code == (0 if title == "unknown" else 2), output
    assert code == 0 or str(path) in output
    for arguments in (("diff", gold, path), ("inspect", path), ("explain", path, NAME, "--at", "0,0,0")):
        assert run(*arguments)[0] in (0, 2)  # these commands do not use the options


@pytest.mark.parametrize("title", ["min_face text", "unknown"])
def test_options_of_the_other_trace_are_not_used(gold: Path, tmp_path: Path, title: str) -> None:
    path = with_options(gold, tmp_path / "candidate.npz", OPTIONS[title])
    assert run("doctor", gold, "--against", path)[0] == 0


def test_options_of_a_trace(gold: Path) -> None:
    with Trace.load(gold) as trace:
        assert trace.options == Options(min_face=120)
    with pytest.raises(ValueError, match="min_face must be a finite number, got one above 1e308"):
        Detector(min_face=10**400)
