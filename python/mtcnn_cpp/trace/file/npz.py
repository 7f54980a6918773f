"""NPZ files written entry by entry, and read with distrust. No pickle either way."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ...files import Part
from ...formats.errors import shown, words
from ..errors import TraceError

_CHUNK = 1 << 22  # bytes copied at a time when an array is not contiguous
SMALL, RATIO = 64 << 20, 100  # bytes that any entry may have; beyond, at most so many to one
AXES = 32  # that an array may have, in every version of NumPy
_TIME = (1980, 1, 1, 0, 0, 0)  # fixed, so that equal content gives equal files
UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError)


def chunks(array: NDArray[Any]) -> Iterator[memoryview]:
    """The values in C order, little endian, in pieces of a few MB: what is written and what is hashed."""
    array = np.asarray(array, array.dtype.newbyteorder("<"))
    if array.size == 0:
        return
    if array.ndim > 1 and array.nbytes > _CHUNK and not array.flags.c_contiguous:
        for part in array:
            yield from chunks(part)
    else:
        yield np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def digest(array: NDArray[Any]) -> str:
    """SHA-256 (hex) of the values in C order, little endian; shape and dtype are not part of it."""
    result = hashlib.sha256()
    for chunk in chunks(array):
        result.update(chunk)
    return result.hexdigest()


class NpzWriter:
    """Writes an NPZ under a temporary name in the same folder; `commit` gives it its name, leaving the block
    without it (an exception, an interrupt) removes it. An earlier file of that name is never damaged."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        with _as_trace_error():
            self._part = Part(path)
        self._zip = zipfile.ZipFile(self._part.file, "w", zipfile.ZIP_STORED)
        self._names: set[str] = set()

    def add(self, name: str, array: NDArray[Any], *, compress: bool = False) -> None:
        """Append one entry."""
        if name in self._names:
            raise TraceError(f"two tensors have the name {name!r}")
        self._names.add(name)
        info = zipfile.ZipInfo(name + ".npy", _TIME)
        info.compress_type = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
        header = {
            "descr": np.lib.format.dtype_to_descr(array.dtype.newbyteorder("<")),
            "fortran_order": False,
            "shape": array.shape,
        }
        with _as_trace_error(), self._part.named(), self._zip.open(info, "w", force_zip64=True) as entry:
            np.lib.format.write_array_header_1_0(entry, header)
            for chunk in chunks(array):
                entry.write(chunk)

    def commit(self) -> None:
        """Complete the file and put it in place."""
        with _as_trace_error():
            self._zip.close()
            self._part.commit()

    def __enter__(self) -> NpzWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.fp = None  # forget the archive: closing it would write, and refuses while an entry is open
        self._part.discard()


@contextlib.contextmanager
def _as_trace_error() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TraceError(str(error)) from error


class NpzReader:
    """Reads single entries of an NPZ, checking each header before anything is allocated."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if not self.path.exists():
            raise TraceError(f"{self.path}: no such file")
        if self.path.is_dir():
            raise TraceError(f"{self.path} is a folder, expected a trace file (.npz)")
        if not self.path.is_file():
            raise TraceError(f"{self.path} is a special file, expected a trace file (.npz)")
        try:
            self._zip = zipfile.ZipFile(self.path)
        except (*UNREADABLE, ValueError) as error:
            raise TraceError(
                f"{self.path} is not a trace, or truncated: not a readable NPZ file ({error})"
            ) from error
        self.names = tuple(entry.removesuffix(".npy") for entry in self._zip.namelist())
        if len(set(self.names)) != len(self.names):
            self.close()
            raise TraceError(f"{self.path}: two entries have the same name; the file is damaged")

    def close(self) -> None:
        """Close the file; what is read after that is a TraceError."""
        self._zip.close()

    def __enter__(self) -> NpzReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(
        self, name: str, *, shape: tuple[int, ...] | None = None, dtype: str | None = None
    ) -> NDArray[Any]:
        """One entry, read-only; TraceError if it is pickled, damaged or not of this `shape` and `dtype`."""
        where = f"{self.path}: entry {name!r}"
        if self._zip.fp is None:
            raise TraceError(f"{self.path} was closed; load it again to read {name!r}")
        try:
            self._check_size(name)
            with self._zip.open(name + ".npy") as entry:
                found_shape, found_dtype = read_header(entry, where)
                if shape is not None and (found_shape, found_dtype.name) != (shape, dtype):
                    raise TraceError(
                        f"{where} is {found_shape} {found_dtype.name}, the manifest says {shape} {dtype}; "
                        "the file was changed or damaged"
                    )
                asked = int(np.prod(found_shape, dtype=object)) * found_dtype.itemsize
                left = self._zip.getinfo(name + ".npy").file_size - entry.tell()
                if asked != left:
                    raise TraceError(
                        f"{where} has {left} bytes of values, its header says {asked}; the file is damaged"
                    )
                data = entry.read()
        except KeyError as error:
            raise TraceError(
                f"{self.path} has no entry {name!r}; it is truncated, changed, or not a trace"
            ) from error
        except TraceError:
            raise
        except (
            *UNREADABLE,
            RuntimeError,
            ValueError,
        ) as error:  # an encrypted entry; a name that is no text
            raise TraceError(f"{where} cannot be read ({error}); the file is damaged") from error
        return np.frombuffer(data, found_dtype).reshape(found_shape)  # read-only, as bytes are

    def _check_size(self, name: str) -> None:
        """Refuse an entry that claims to unpack to far more than its bytes can honestly hold."""
        entry = self._zip.getinfo(name + ".npy")
        if entry.file_size > max(SMALL, RATIO * entry.compress_size):
            raise TraceError(
                f"{self.path}: entry {name!r} would unpack from {entry.compress_size} to {entry.file_size} "
                f"bytes; refused, as more than {RATIO} to 1 is no honest compression of a trace"
            )


def read_header(entry: IO[bytes], where: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and dtype of the array that begins here. TraceError, which begins with `where`, for one that is
    not of plain numbers in C order."""
    try:
        if np.lib.format.read_magic(entry) == (1, 0):
            shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(entry)
        else:
            shape, fortran_order, dtype = np.lib.format.read_array_header_2_0(entry)
    except UNREADABLE:
        raise
    except Exception as error:  # NumPy parses the header as Python text, which can fail in any way
        raise TraceError(f"{where} is not a NumPy array ({shown(words(error), 300)})") from error
    if dtype.kind == "O":
        raise TraceError(f"{where} is a pickled array; traces hold plain numbers, pickles are refused")
    if dtype.kind not in "biuf" or fortran_order:
        raise TraceError(
            f"{where} is {dtype} (Fortran order: {fortran_order}), expected plain numbers in C order"
        )
    if not is_shape(shape, dtype.itemsize):
        raise TraceError(
            f"{where}: its header states shape {shown(shape, 100)}, which no array has; the file is damaged"
        )
    return shape, dtype


def is_shape(sizes: Sequence[object], itemsize: int) -> bool:
    """Whether an array can have these sizes: whole numbers from 0, at most 32 axes, fewer than 2^63 bytes.

    NumPy refuses some sizes even where another one is 0, and takes True for 1.
    """
    numbers = [size for size in sizes if type(size) is int and size >= 0]
    return (
        len(numbers) == len(sizes) <= AXES and math.prod(size or 1 for size in numbers) * itemsize < 1 << 63
    )
