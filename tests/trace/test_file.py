"""The trace file: written values are read back, also by NumPy alone; damaged files are rejected."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mtcnn_cpp.trace import Trace, TraceError
from mtcnn_cpp.trace.file.npz import digest

RNG = np.random.default_rng(3)
IMAGE = RNG.integers(0, 256, (5, 7, 3), np.uint8)
TENSORS: dict[str, np.ndarray] = {
    "pnet/level00/input": RNG.standard_normal((3, 4, 5), np.float32),
    "pnet/level00/conv1": np.array([[[np.nan, -0.0, np.inf]]], np.float32),
    "pnet/level00/heat_map": RNG.random((4, 5), np.float32),
    "pnet/boxes": np.zeros((0, 4), np.float32),
    "pnet/nms_keep": np.array([2, 0], np.int32),
    "rnet/crop000/fc1": RNG.standard_normal(128).astype(np.float32),
}


def make(**changes: Any) -> Trace:
    return Trace.from_arrays(TENSORS, **{"image": IMAGE, "options": {"min_face": 60.0}, **changes})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    make().save(tmp_path / "a.npz")
    return tmp_path / "a.npz"


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def test_round_trip(path: Path) -> None:
    back = Trace.load(path)
    assert back.names == tuple(TENSORS)
    assert back.manifest == make().manifest
    for name, array in TENSORS.items():
        assert same_bits(back[name], array)
        assert not back[name].flags.writeable
        assert back.info(name).sha256 == digest(array)
    assert same_bits(back.image, IMAGE)
    assert back.manifest.options == {"min_face": 60.0}


def test_numpy_alone_can_read_it(path: Path) -> None:
    with np.load(path, allow_pickle=False) as file:
        assert set(file.files) == {*TENSORS, "manifest", "picture"}
        for name, array in TENSORS.items():
            assert same_bits(file[name], array)
        manifest = json.loads(file["manifest"].tobytes())
    assert [tensor["name"] for tensor in manifest["tensors"]] == list(TENSORS)
    assert manifest["tensors"][0] | {"sha256": ""} == {
        "name": "pnet/level00/input",
        "shape": [3, 4, 5],
        "dtype": "float32",
        "layout": "channel, y, x",
        "sha256": "",
    }


@pytest.mark.parametrize("capture", ["names", "stats", "hash"])
def test_levels_without_values(tmp_path: Path, capture: Any) -> None:
    trace = make(capture=capture)
    trace.save(tmp_path / "a.npz")
    back = Trace.load(tmp_path / "a.npz")
    assert repr(back.manifest) == repr(trace.manifest)  # statistics may be NaN, which is not equal to itself
    assert back.names == tuple(TENSORS)
    entry = back.info("pnet/level00/conv1")
    assert entry.shape == (1, 1, 3)
    assert (entry.sha256 is None) == (capture == "names")
    assert (entry.statistics is None) == (capture != "stats")
    with pytest.raises(TraceError, match=f"captured at level '{capture}': it contains no values"):
        back["pnet/level00/conv1"]
    with pytest.raises(TraceError, match="contains no image"):
        _ = back.image


def test_a_hash_trace_is_small(tmp_path: Path) -> None:
    many = {f"rnet/crop{i:03d}/conv1": np.full((28, 22, 22), i, np.float32) for i in range(300)}
    Trace.from_arrays(many, capture="hash").save(tmp_path / "a.npz")
    assert (tmp_path / "a.npz").stat().st_size < 100 * 300


def rewrite(path: Path, change: Callable[[dict[str, bytes]], None]) -> None:
    with zipfile.ZipFile(path) as file:
        entries = {name: file.read(name) for name in file.namelist()}
    change(entries)
    with zipfile.ZipFile(path, "w") as file:
        for name, data in entries.items():
            file.writestr(name, data)


def npy(array: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def edit_manifest(path: Path, old: str, new: str) -> None:
    def change(entries: dict[str, bytes]) -> None:
        text = np.load(io.BytesIO(entries["manifest.npy"])).tobytes().decode()
        assert old in text
        entries["manifest.npy"] = npy(np.frombuffer(text.replace(old, new, 1).encode(), np.uint8))

    rewrite(path, change)


def read_all(path: Path) -> None:
    trace = Trace.load(path)
    for name in trace:
        trace[name]


def test_changed_values_are_found(path: Path) -> None:
    changed = TENSORS["rnet/crop000/fc1"].copy()
    changed[5] = np.nextafter(changed[5], np.float32(9))
    rewrite(path, lambda entries: entries.update({"rnet/crop000/fc1.npy": npy(changed)}))
    with pytest.raises(
        TraceError, match=r"'rnet/crop000/fc1' have SHA-256 .* the manifest records .* changed or dam"
    ):
        read_all(path)


def test_a_changed_image_is_found(path: Path) -> None:
    rewrite(path, lambda entries: entries.update({"picture.npy": npy(IMAGE[::-1].copy())}))
    with pytest.raises(TraceError, match="'picture' have SHA-256"):
        _ = Trace.load(path).image


def test_a_flipped_bit_is_found(path: Path) -> None:
    data = bytearray(path.read_bytes())
    place = data.index(TENSORS["rnet/crop000/fc1"].tobytes()) + 17
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(TraceError, match=r"'rnet/crop000/fc1' cannot be read .*damaged"):
        read_all(path)


@pytest.mark.parametrize("keep", [0, 1, 100, 0.5, 0.99, -1])
def test_truncated_files_are_refused(path: Path, keep: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data)) if 0 < keep < 1 else int(keep)])
    with pytest.raises(TraceError, match="not a trace, or truncated"):
        Trace.load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: e.pop("pnet/boxes.npy"), "lists an entry that the file does not contain: 'pnet/boxes'"),
        (lambda e: e.pop("picture.npy"), "lists an entry that the file does not contain: 'picture'"),
        (lambda e: e.update({"a.npy": npy(IMAGE)}), "does not list an entry: 'a'"),
        (lambda e: e.pop("manifest.npy"), "is not a trace: it has no manifest"),
        (lambda e: e.update({"manifest.npy": npy(IMAGE)}), "manifest is not JSON"),
        (lambda e: e.update({"manifest.npy": b"hello"}), "'manifest' is not a NumPy array"),
        (
            lambda e: e.update({"pnet/boxes.npy": npy(np.zeros((1, 4), np.float32))}),
            r"manifest records \(0, 4\) float32",
        ),
        (
            lambda e: e.update({"pnet/boxes.npy": npy(np.array([{}], object), allow_pickle=True)}),
            "'pnet/boxes': .* pickled array.*refused",
        ),
        (
            lambda e: e.update({"manifest.npy": npy(np.array([{}], object), allow_pickle=True)}),
            "'manifest': .* pickled array.*refused",
        ),
        (
            lambda e: e.update({"rnet/crop000/fc1.npy": e["rnet/crop000/fc1.npy"][:-4]}),
            "has 508 bytes of values, its header specifies 512",
        ),
        (
            lambda e: e.update(
                {"rnet/crop000/fc1.npy": e["rnet/crop000/fc1.npy"].replace(b"(128,)", b"(9**9)")}
            ),
            "'rnet/crop000/fc1' is not a NumPy array",
        ),
    ],
)
def test_changed_entries_are_refused(path: Path, change: Any, message: str) -> None:
    rewrite(path, change)
    with pytest.raises(TraceError, match=message):
        read_all(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            '"version": 1',
            '"version": 2',
            "trace format version 2, this package reads versions up to 1; update mtcnn_cpp",
        ),
        ('"version": 1', '"version": "x"', "trace format version 'x'"),
        ('"format": "mtcnn_cpp trace"', '"format": "?"', "is not a trace: its manifest does not have"),
        (
            '"capture": "full"',
            '"capture": "all"',
            "manifest: capture must be one of names, stats, hash, full",
        ),
        (
            '"dtype": "float32"',
            '"dtype": "object"',
            "manifest: the field `dtype` of 'pnet/level00/input' has the invalid value 'object'",
        ),
        (
            '"shape": [3, 4, 5]',
            '"shape": [3, -4, 5]',
            r"manifest: the field `shape` of 'pnet/level00/input' has the invalid value \[3, -4, 5\]",
        ),
        (
            '"shape": [3, 4, 5]',
            '"shape": [99999999, 99999999]',
            "the manifest records .99999999, 99999999. float32",
        ),
        ('"name": "pnet/boxes"', '"name": 5', "manifest: the field `name` of 5 has the invalid value 5"),
        ('"name": "pnet/boxes"', '"name": "pnet/nms_keep"', "a tensor is listed twice"),
        ('"tensors": [', '"tensor": [', "manifest: the field `tensors` is missing"),
        ('"sha256": "', '"sha256": "0', "changed or damaged"),
    ],
)
def test_changed_manifests_are_refused(path: Path, old: str, new: str, message: str) -> None:
    edit_manifest(path, old, new)
    with pytest.raises(TraceError, match=message):
        _ = [Trace.load(path).image, read_all(path)]


def test_not_a_trace(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("hello")
    np.savez(tmp_path / "plain.npz", a=IMAGE)
    for name, message in {
        "text.npz": "text.npz is not a trace",
        "plain.npz": "plain.npz is not a trace: it has no manifest .to make a trace from arrays",
        "none.npz": "none.npz: no such file",
        ".": "is a folder, expected a trace file",
    }.items():
        with pytest.raises(TraceError, match=message):
            Trace.load(tmp_path / name)
