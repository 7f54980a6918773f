"""Small valid files, the seeds of the fuzzers. The package's writers generate them; none is stored."""

from __future__ import annotations

import argparse
import io
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mtcnn_cpp import Model
from mtcnn_cpp.formats.state_dict import to_state_dict
from mtcnn_cpp.model import network_arrays
from mtcnn_cpp.reference.dat import write_network
from mtcnn_cpp.reference.model import Conv2d, FullyConnected, MaxPool, Network, PReLU, Sigmoid
from mtcnn_cpp.trace import Trace

PNET = Model.default().pnet


def tiny_network() -> Network:
    """Return a network with one small layer of each kind."""
    ones = np.ones
    return Network(
        (
            Conv2d(ones((2, 3, 2, 1), np.float32), ones(2, np.float32)),
            PReLU(ones(2, np.float32)),
            MaxPool(2, 2, 2, 2),
            Sigmoid(),
            FullyConnected(ones((2, 6), np.float32), ones(6, np.float32)),
        )
    )


def dat() -> list[bytes]:
    return [write_network(tiny_network()), write_network(PNET)]


def trace() -> list[bytes]:
    values = {"pnet/level00/heat_map": np.ones((2, 3), np.float32), "pnet/nms_keep": np.zeros(0, np.int32)}
    picture = np.arange(108, dtype=np.uint8).reshape(6, 6, 3)
    return [
        of_file(Trace.from_arrays(values, image=picture, capture=capture).save, "a.npz")
        for capture in ("full", "stats", "hash", "names")
    ]


def manifest() -> list[bytes]:
    result = []
    for data in trace():
        with np.load(io.BytesIO(data)) as archive:
            result.append(archive["manifest"].tobytes())
    return result


def npz() -> list[bytes]:
    model_arrays, state_dict = io.BytesIO(), io.BytesIO()
    np.savez_compressed(model_arrays, **network_arrays(PNET, "pnet"))  # type: ignore[arg-type]
    np.savez(state_dict, **to_state_dict(PNET, "pnet"))  # type: ignore[arg-type]
    return [model_arrays.getvalue(), state_dict.getvalue()]


def npy() -> list[bytes]:
    layers: dict[str, dict[str, Any]] = {}
    for key, array in to_state_dict(PNET, "pnet").items():
        name, _, field = key.rpartition(".")
        if field == "bias":
            layers[name]["biases"] = array
        else:
            one_axis = array.ndim == 1
            layers[name] = {"alpha": array} if one_axis else {"weights": array.transpose(3, 2, 1, 0)}
    file = io.BytesIO()
    np.save(file, np.array(layers, dtype=object), allow_pickle=True)
    return [file.getvalue()]


def joblib(**options: Any) -> list[bytes]:
    import joblib as package

    arrays = [
        array.transpose(2, 3, 1, 0) if array.ndim == 4 else array
        for array in to_state_dict(PNET, "pnet").values()
    ]
    file = io.BytesIO()
    package.dump(arrays, file, **options)
    return [file.getvalue()]


def lz4() -> list[bytes]:
    return joblib(compress="lz4")


def onnx() -> list[bytes]:
    from mtcnn_cpp.formats.onnx.export import write_onnx

    return [of_file(lambda path: write_onnx(PNET, None, "PNet", path), "a.onnx")]


def pt() -> list[bytes]:
    import torch

    tensors = {name: torch.from_numpy(array.copy()) for name, array in to_state_dict(PNET, "pnet").items()}
    result = []
    for archived in (True, False):
        file = io.BytesIO()
        torch.save(tensors, file, _use_new_zipfile_serialization=archived)
        result.append(file.getvalue())
    return result


def of_file(write: Callable[[Path], Any], name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / name)
        return (Path(folder) / name).read_bytes()


def commands() -> list[bytes]:
    from commands import seeds

    return seeds()


def cases() -> list[bytes]:
    return [b"[]"]  # no change


SEEDS: dict[str, Callable[[], list[bytes]]] = {
    "dat": dat,
    "trace": trace,
    "manifest": manifest,
    "commands": commands,
    "cases": cases,
    "npz": npz,
    "npy": npy,
    "joblib": joblib,
    "lz4": lz4,
    "onnx": onnx,
    "pt": pt,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the seeds of fuzz_dat into a folder. The first byte selects the purpose; the file follows."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args(arguments).folder
    folder.mkdir(parents=True, exist_ok=True)
    for purpose in range(8):
        (folder / f"tiny{purpose}").write_bytes(bytes([purpose]) + write_network(tiny_network()))


if __name__ == "__main__":
    main()
