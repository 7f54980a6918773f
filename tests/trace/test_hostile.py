"""Untrusted trace files: each fault is an error that names the file, before memory is allocated."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from images import portrait
from mtcnn_cpp.cli import app
from mtcnn_cpp.trace import Trace, TraceError
from mtcnn_cpp.trace.manifest import Manifest
from typer.testing import CliRunner


def saved(folder: Path) -> Path:
    trace = Trace.from_arrays({"pnet/boxes": np.ones((2, 4), np.float32)}, image=portrait()[:9, :9])
    trace.save(folder / "a.npz")
    return folder / "a.npz"


def with_entry(path: Path, name: str, data: bytes) -> Path:
    """The same archive with one entry replaced, compressed."""
    with zipfile.ZipFile(path) as old:
        entries = {entry: old.read(entry) for entry in old.namelist()} | {name: data}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for entry, content in entries.items():
            new.writestr(entry, content)
    return path


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def with_manifest(path: Path, **changes: Any) -> Path:
    with zipfile.ZipFile(path) as archive:
        text = np.load(io.BytesIO(archive.read("manifest.npy"))).tobytes()
    fields = json.loads(text)
    fields["tensors"][0] |= changes.pop("tensor", {})
    changed = json.dumps(fields | changes).encode()
    return with_entry(path, "manifest.npy", npy(np.frombuffer(changed, np.uint8)))


HEADERS = [
    b"'''",
    b"((((((",
    b"(" * 5000,
    b"{'descr': '<f4'}",
    b"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}",
    b"{'descr': 'O', 'fortran_order': False, 'shape': (2,)}",
    b"{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 4)}",
    b"{'descr': '<f4', 'fortran_order': False, 'shape': (1 << 200,)}",
    b"\xff\xfe",
]


@pytest.mark.parametrize("header", HEADERS, ids=range(len(HEADERS)))
def test_headers(header: bytes, tmp_path: Path) -> None:
    data = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    path = with_entry(saved(tmp_path), "pnet/boxes.npy", data)
    with pytest.raises(TraceError, match=r"a\.npz: entry 'pnet/boxes'"):
        Trace.load(path)["pnet/boxes"]
    result = CliRunner().invoke(app, ["diff", str(path), str(path)])
    assert result.exit_code == 2
    assert "a.npz" in result.stderr


MANIFESTS: list[dict[str, Any]] = [
    {"tensors": [[]]},
    {"tensors": {"name": 1}},
    {"options": []},
    {"picture": 3},
    {"picture": {"shape": [9, 9, 3], "dtype": "uint8", "sha256": "x", "color": "bgr"}},
    {"tensor": {"statistics": 7}},
    {"tensor": {"statistics": {"minimum": "a"}}},
    {"tensor": {"name": "\x1b[31mred"}},
    {"tensor": {"name": "line\nbreak"}},
    {"tensor": {"layout": "\x1b]0;title\x07"}},
    {"tensor": {"sha256": "no digest"}},
    {"tensor": {"dtype": "f4,("}},
    {"tensor": {"shape": [2.5]}},
    {"version": "1"},
    {"capture": ["full"]},
]


@pytest.mark.parametrize("changes", MANIFESTS, ids=range(len(MANIFESTS)))
def test_manifests(changes: dict[str, Any], tmp_path: Path) -> None:
    path = with_manifest(saved(tmp_path), **changes)
    for command in (["inspect", str(path)], ["diff", str(path), str(path)]):
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 2, result.output
        assert result.stderr.startswith("error: ")
        assert "a.npz" in result.stderr
        assert "\x1b" not in result.stderr


@pytest.mark.parametrize("text", [b"[" * 100_000, b'{"a":' * 50_000, b"9" * 5000, b"\xff", b"", b"null"])
def test_manifests_that_are_no_json(text: bytes) -> None:
    with pytest.raises(TraceError, match=r"^t\.npz"):
        Manifest.from_array(np.frombuffer(text, np.uint8), "t.npz")


def test_a_header_with_control_characters_is_shown_escaped(tmp_path: Path) -> None:
    """Found by fuzz/readers.py: NumPy repeats the type that the header names."""
    header = b"{'descr': '<i44\x98x\x07,', 'fortran_order': False, 'shape': (2, 4)}"
    path = with_entry(saved(tmp_path), "pnet/boxes.npy", b"\x93NUMPY\1\0" + bytes([len(header), 0]) + header)
    with pytest.raises(TraceError, match="is not a NumPy array") as raised:
        Trace.load(path)["pnet/boxes"]
    assert str(raised.value).isprintable()


def test_an_unknown_statistic_is_shown_escaped(tmp_path: Path) -> None:
    """Found by fuzz/readers.py: Python repeats the field's name."""
    fields = json.loads(Trace.load(saved(tmp_path)).manifest.to_json())
    fields["tensors"][0]["statistics"] = {"\x7f\x1b[31m": 1}
    with pytest.raises(TraceError, match="statistics: ") as raised:
        Manifest.from_array(np.frombuffer(json.dumps(fields).encode(), np.uint8), "t.npz")
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("version", ["\x1b[31m", "\ud800", [1] * 1000, None])
def test_a_version_that_is_no_number_is_shown_escaped(version: Any) -> None:
    """Found by fuzz/readers.py."""
    text = json.dumps({"format": "mtcnn_cpp trace", "version": version}).encode()
    with pytest.raises(TraceError, match=r"^t\.npz: trace format version") as raised:
        Manifest.from_array(np.frombuffer(text, np.uint8), "t.npz")
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_each_compression_is_read(method: int, tmp_path: Path) -> None:
    path = saved(tmp_path)
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "b.npz", "w", method) as new:
        for entry in old.namelist():
            new.writestr(entry, old.read(entry))
    assert np.array_equal(Trace.load(tmp_path / "b.npz")["pnet/boxes"], np.ones((2, 4), np.float32))


def test_an_entry_without_its_suffix_is_rejected(tmp_path: Path) -> None:
    path = saved(tmp_path)
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "b.npz", "w") as new:
        for entry in old.namelist():
            new.writestr(entry.replace("boxes.npy", "boxes"), old.read(entry))
    with pytest.raises(TraceError, match=r"b\.npz: expected the entry pnet/boxes\.npy, found pnet/boxes"):
        Trace.load(tmp_path / "b.npz")["pnet/boxes"]


def test_an_empty_array_with_a_large_size(tmp_path: Path) -> None:
    empty = np.empty((0, 10**15), np.float32)
    Trace.from_arrays({"a": empty}).save(tmp_path / "a.npz")
    assert Trace.load(tmp_path / "a.npz")["a"].shape == empty.shape


@pytest.mark.skipif(sys.platform != "linux", reason="the memory limit needs Linux")
@pytest.mark.parametrize("name", ["manifest", "pnet/boxes"])
def test_a_zip_bomb_is_rejected_before_memory_is_allocated(name: str, tmp_path: Path) -> None:
    """200 MB of zeros in a file of 200 kB."""
    path = saved(tmp_path)
    with zipfile.ZipFile(path) as old:
        entries = {entry: old.read(entry) for entry in old.namelist()}
    entries.pop(f"{name}.npy")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for entry, content in entries.items():
            new.writestr(entry, content)
        with new.open(f"{name}.npy", "w", force_zip64=True) as file:
            np.lib.format.write_array_header_1_0(
                file, {"descr": "|u1", "fortran_order": False, "shape": (3 << 26,)}
            )
            for _ in range(3 << 2):
                file.write(bytes(1 << 24))
    assert path.stat().st_size < 4e5
    code = f"""
import resource
from mtcnn_cpp.trace import Trace, TraceError
import numpy
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    Trace.load({str(path)!r})[{name!r}]
except TraceError as error:
    print(error)
assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "would unpack from" in done.stdout


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_pipe_is_rejected_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.npz")
    with pytest.raises(TraceError, match=r"a\.npz is a special file"):
        Trace.load(tmp_path / "a.npz")


def test_an_entry_with_an_undecodable_name(tmp_path: Path) -> None:
    """The archive contains the name in its directory and before the entry; only the second is damaged."""
    path = saved(tmp_path)
    data = bytearray(path.read_bytes())
    at = data.index(b"pnet/boxes.npy")
    data[at] = 0xFF
    flags = at - 30 + 6
    data[flags + 1] |= 0x08  # names are UTF-8
    path.write_bytes(data)
    with pytest.raises(TraceError, match=r"a\.npz: entry 'pnet/boxes' cannot be read"):
        Trace.load(path)["pnet/boxes"]


def test_random_damage(tmp_path: Path) -> None:
    """Damage is a TraceError that names the file, or it does not change the values."""
    rng = np.random.default_rng(0)
    path = saved(tmp_path)
    right = path.read_bytes()
    messages = []
    for _ in range(400):
        data = bytearray(right)
        for place in rng.integers(0, len(data), rng.integers(1, 6)):
            data[place] = rng.integers(256)
        path.write_bytes(data[: rng.integers(len(data) // 2, len(data) + 1)] if rng.random() < 0.3 else data)
        try:
            trace = Trace.load(path)
            assert np.array_equal(trace["pnet/boxes"], np.ones((2, 4), np.float32))
            assert trace.image.shape == (9, 9, 3)
        except TraceError as error:
            messages.append(str(error))
    assert len(messages) > 200
    assert all(str(path) in message for message in messages)
