"""Unpickling arrays without ever running code from the file.

A pickle may name any function to be called. Allowed here are the few that arrays and plain containers need;
any other is refused, by name, before anything is called.
"""

from __future__ import annotations

import io
import pickle
from typing import Any, BinaryIO

import numpy as np

from .errors import PortError

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
    """Stands for joblib's NumpyArrayWrapper: it describes an array whose bytes follow in the file."""

    shape: tuple[int, ...]
    order: str
    dtype: np.dtype[Any]

    def read(self, file: BinaryIO) -> np.ndarray:
        """The array itself, whose bytes begin here."""
        if self.dtype.hasobject:
            raise pickle.UnpicklingError("an array of objects")
        if getattr(self, "numpy_array_alignment_bytes", None) is not None:
            file.read(file.read(1)[0])  # one byte says how many bytes of padding follow
        count = int(np.prod(self.shape))
        data = file.read(count * self.dtype.itemsize)
        return np.frombuffer(data, self.dtype, count).reshape(self.shape, order=self.order)  # type: ignore[call-overload,no-any-return]


# The one written in Python: the one in C reads ahead, past the place where a joblib array's bytes begin.
PurePython: Any = pickle._Unpickler


class Unpickler(PurePython):  # type: ignore[misc]
    """Knows the names in ALLOWED, and reads the arrays of a joblib file."""

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
