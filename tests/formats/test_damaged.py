"""Valid files with random damage cause named errors, and no crash of the process that reads them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mtcnn_cpp import Model
from mtcnn_cpp.formats.state_dict import to_state_dict
from mtcnn_cpp.model import network_arrays
from mtcnn_cpp.reference.dat import write_network
from separate_process import read_in_process

PNET = Model.default().pnet
SAMPLES = 120  # of each kind; they are deterministic
HEAD = 600  # bytes at the beginning, where half of the damage is


def table(folder: Path) -> bytes:
    layers: dict[str, dict[str, Any]] = {}
    for key, array in to_state_dict(PNET, "pnet").items():
        name, _, field = key.rpartition(".")
        if field == "bias":
            layers[name]["biases"] = array
        else:
            field, array = ("alpha", array) if array.ndim == 1 else ("weights", array.transpose(3, 2, 1, 0))
            layers[name] = {field: array}
    file = io.BytesIO()
    np.save(file, np.array(layers, dtype=object), allow_pickle=True)
    return file.getvalue()


def listed(**options: Any) -> bytes:
    joblib = pytest.importorskip("joblib", reason="needs joblib")
    arrays = [
        array.transpose(2, 3, 1, 0) if array.ndim == 4 else array
        for array in to_state_dict(PNET, "pnet").values()
    ]
    file = io.BytesIO()
    joblib.dump(arrays, file, **options)
    return file.getvalue()


def lz4(folder: Path) -> bytes:
    pytest.importorskip("lz4", reason="needs lz4")
    return listed(compress="lz4")


def graph(folder: Path) -> bytes:
    pytest.importorskip("onnx", reason="needs mtcnn-cpp[onnx]")
    from mtcnn_cpp.formats.onnx.export import write_onnx

    write_onnx(PNET, None, "PNet", folder / "honest.onnx")
    return (folder / "honest.onnx").read_bytes()


def archive(folder: Path) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **network_arrays(PNET, "pnet"))  # type: ignore[arg-type]
    return file.getvalue()


def state_dict(folder: Path, *, archived: bool = True) -> bytes:
    torch = pytest.importorskip("torch", reason="needs mtcnn-cpp[torch]")
    file = io.BytesIO()
    tensors = {name: torch.from_numpy(array.copy()) for name, array in to_state_dict(PNET, "pnet").items()}
    torch.save(tensors, file, _use_new_zipfile_serialization=archived)
    return file.getvalue()


KINDS: dict[str, list[Callable[[Path], bytes]]] = {
    "npy": [table],
    "joblib": [lambda folder: listed()],
    "lz4": [lz4],
    "onnx": [graph],
    "npz": [archive],
    "pt": [state_dict, lambda folder: state_dict(folder, archived=False)],
    "dat": [lambda folder: write_network(PNET)],
}


def damaged(data: bytes, random: np.random.Generator) -> bytes:
    """Cut the end, or change, insert or remove a few bytes."""
    if random.random() < 0.2:
        return data[: int(random.integers(len(data)))]
    result = bytearray(data)
    reach = min(HEAD, len(data)) if random.random() < 0.5 else len(data)
    for _ in range(int(random.integers(1, 9))):
        at = int(random.integers(reach))
        if random.random() < 0.2:
            del result[at : at + int(random.integers(1, 5))]
        elif random.random() < 0.2:
            result[at:at] = random.bytes(int(random.integers(1, 5)))
        elif at < len(result):
            result[at] = random.choice([0, 1, 0x7F, 0x80, 0xFF, int(random.integers(256))])
    return bytes(result)


@pytest.mark.parametrize("kind", KINDS)
def test_random_damage(tmp_path: Path, kind: str) -> None:
    random = np.random.default_rng(list(KINDS).index(kind))
    honest, paths = [], []
    for number, make in enumerate(KINDS[kind]):
        honest.append(tmp_path / f"whole{number}.{kind}")
        honest[-1].write_bytes(make(tmp_path))
        for index in range(SAMPLES):
            paths.append(tmp_path / f"{number}-{index}.{kind}")
            paths[-1].write_bytes(damaged(honest[-1].read_bytes(), random))
    found = read_in_process([*honest, *paths])
    for what, message, _ in found[: len(honest)]:
        assert (what, message) == ("read", "pnet")
    for path, (what, message, peak) in zip(paths, found[len(honest) :], strict=True):
        assert what in ("read", "refused"), (path.name, what, message)
        if what == "refused":
            assert message.startswith(f"{path}: "), message
            assert message.isprintable()
        assert peak < 100e6, (path.name, peak)
    assert any(what == "refused" for what, _, _ in found)
