"""Unpickling arrays without ever running code from the file.

A pickle may name any function to be called. These readers know the few names that arrays and plain
containers need, and refuse the rest by name before anything is called.
"""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..model import read_file
from .errors import PortError, need

ALLOWED = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("collections", "OrderedDict"),
    ("_codecs", "encode"),
    *(
        (f"numpy.{core}.multiarray", name)
        for core in ("core", "_core")
        for name in ("_reconstruct", "scalar")
    ),
}


class JoblibArray:
    """Stands for joblib's NumpyArrayWrapper: the fields that describe an array whose bytes follow in the
    file."""

    shape: tuple[int, ...]
    order: str
    dtype: np.dtype[Any]

    def read(self, file: BinaryIO) -> np.ndarray:
        if self.dtype.hasobject:
            raise pickle.UnpicklingError("an array of objects")
        if getattr(self, "numpy_array_alignment_bytes", None) is not None:
            file.read(file.read(1)[0])  # one byte says how many bytes of padding follow
        count = int(np.prod(self.shape))
        data = file.read(count * self.dtype.itemsize)
        return np.frombuffer(data, self.dtype, count).reshape(self.shape, order=self.order)  # type: ignore[call-overload,no-any-return]


# The unpickler written in Python: the one in C reads ahead, past the place where a joblib array's bytes
# begin.
PurePython: Any = pickle._Unpickler


class Unpickler(PurePython):  # type: ignore[misc]
    def __init__(self, file: BinaryIO, encoding: str = "ASCII") -> None:
        super().__init__(file, encoding=encoding)
        self.file = file

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("joblib.numpy_pickle", "NumpyArrayWrapper"):
            return JoblibArray
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it wants to use {module}.{name}")
        return super().find_class(module, name)

    def load_build(self) -> None:
        super().load_build()
        if isinstance(self.stack[-1], JoblibArray):
            self.stack[-1] = self.stack[-1].read(self.file)

    dispatch = {**PurePython.dispatch, pickle.BUILD[0]: load_build}  # noqa: RUF012


def unpickle(data: bytes, source: str, encoding: str = "ASCII") -> Any:
    """What a pickle of arrays and containers holds. PortError where it is damaged or wants anything else."""
    try:
        return Unpickler(io.BytesIO(data), encoding).load()
    except Exception as error:  # a damaged pickle can fail in any way
        raise PortError(f"{source}: refused: not a plain pickle of arrays ({error})") from error


def read_joblib(path: str | Path) -> Any:
    """A file of joblib, compressed with LZ4 or not. Raises PortError, MissingExtra without the package
    lz4."""
    data = read_file(Path(path))
    if data[:4] == b"\x04\x22\x4d\x18":
        lz4 = need("lz4.frame", "lz4", "reading an LZ4 file")
        try:
            data = lz4.decompress(data)
        except RuntimeError as error:
            raise PortError(f"{path}: damaged LZ4 data ({error})") from error
    return unpickle(data, str(path))


def read_npy_object(path: str | Path) -> Any:
    """The one object that a `.npy` file of dtype object holds, as facenet's `det1.npy` does. Raises
    PortError."""
    file = io.BytesIO(read_file(Path(path)))
    try:
        version = np.lib.format.read_magic(file)
        read_header = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read_header(file)
    except ValueError as error:
        raise PortError(f"{path}: expected a NumPy file (.npy), found something else ({error})") from error
    if not dtype.hasobject:
        raise PortError(f"{path}: expected a table of layers, found an array of {dtype}, shape {shape}")
    held = unpickle(
        file.read(), str(path), encoding="latin1"
    )  # latin1: what NumPy itself wants of Python 2's arrays
    return held.item() if isinstance(held, np.ndarray) and held.shape == () else held
