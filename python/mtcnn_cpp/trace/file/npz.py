"""Reads and writes the `.npz` and `.npy` files of traces.

`formats.arrays` does the work. This module adds the limits, types and errors of traces.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...formats import arrays
from ...formats.arrays import UNREADABLE, Header, value_chunks
from ...formats.errors import PortError
from ..errors import TraceError

SMALL_ENTRY, MAX_RATIO = 64 << 20, 100  # an entry may unpack to 64 MiB or to 100 x its compressed size
MAX_AXES = 32  # every version of NumPy accepts arrays with up to this number of axes


def digest(array: NDArray[Any]) -> str:
    """Return the SHA-256 (hex) of the values in C order, little endian.

    The hash does not include shape and dtype.
    """
    result = hashlib.sha256()
    for chunk in value_chunks(array):
        result.update(chunk)
    return result.hexdigest()


class NpzWriter(arrays.NpzWriter):
    """Writes the arrays of a trace. It raises TraceError for every error."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        with _as_trace_error():
            super().__init__(path)

    def add(self, name: str, array: NDArray[Any], *, compress: bool = False) -> None:
        with _as_trace_error():
            super().add(name, array, compress=compress)

    def commit(self) -> None:
        with _as_trace_error():
            super().commit()

    def __enter__(self) -> NpzWriter:
        return self


@contextlib.contextmanager
def _as_trace_error() -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise TraceError(str(error)) from error


class NpzReader(arrays.NpzReader):
    """Reads the arrays of a trace. It accepts only numeric arrays in C order.

    It raises TraceError for every error.
    """

    error = TraceError

    def __init__(self, path: str | os.PathLike[str]) -> None:
        path = Path(path)
        if not path.exists():
            raise TraceError(f"{path}: no such file")
        if path.is_dir():
            raise TraceError(f"{path} is a folder, expected a trace file (.npz)")
        if not path.is_file():
            raise TraceError(f"{path} is a special file, expected a trace file (.npz)")
        try:
            super().__init__(path)
        except TraceError as error:
            raise TraceError(
                str(error).replace("is not a readable", "is not a trace, or truncated: not a readable", 1)
            ) from error

    def __enter__(self) -> NpzReader:
        return self

    def check_entry(self, entry: zipfile.ZipInfo) -> None:
        if not entry.filename.endswith(".npy"):
            raise TraceError(f"{self.path}: expected the entry {entry.filename}.npy, found {entry.filename}")
        if entry.file_size > max(SMALL_ENTRY, MAX_RATIO * entry.compress_size):
            raise TraceError(
                f"{self.path}: entry {entry.filename.removesuffix('.npy')!r} would unpack from "
                f"{entry.compress_size} to {entry.file_size} bytes; the limit is {MAX_RATIO} to 1"
            )

    @classmethod
    def check_header(cls, header: Header) -> np.dtype[Any]:
        if header.dtype in arrays.OBJECT_DTYPES:
            raise PortError("expected plain numbers, found a pickled array; pickles are refused")
        try:
            dtype = np.dtype(header.dtype)
        except TypeError as error:
            raise PortError(str(error)) from error
        if dtype.kind not in "biuf" or header.fortran:
            raise PortError(
                f"expected plain numbers in C order, found {dtype} in {'Fortran' if header.fortran else 'C'} "
                "order"
            )
        if not is_shape(header.shape, dtype.itemsize):
            raise PortError(f"expected a shape, found {header.shape}; the file is damaged")
        return dtype


def is_shape(sizes: Sequence[object], itemsize: int) -> bool:
    """Return whether an array can have these sizes.

    There must be at most 32 sizes. Each size must be an integer >= 0, and the array must have less than 2^63
    bytes. To compute the number of bytes, a size of 0 counts as 1, because NumPy rejects some large sizes
    even in an empty array. NumPy alone is not a sufficient check, because it accepts True as the size 1.
    """
    numbers = [size for size in sizes if type(size) is int and size >= 0]
    return (
        len(numbers) == len(sizes) <= MAX_AXES
        and math.prod(size or 1 for size in numbers) * itemsize < 1 << 63
    )


def read_npy(path: Path) -> NDArray[Any]:
    """Return the read-only array of a `.npy` file. The message of a TraceError names the file."""
    if not path.is_file():
        raise TraceError(f"{path} is not a file, expected a NumPy array (.npy)")
    try:
        with open(path, "rb") as file:
            return NpzReader.read_array(file, path.stat().st_size, str(path))
    except TraceError:
        raise
    except (*UNREADABLE, ValueError) as error:
        raise TraceError(f"{path} is not a NumPy array ({error})") from error
