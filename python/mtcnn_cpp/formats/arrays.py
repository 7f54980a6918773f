"""Read arrays from untrusted `.npy` and `.npz` files with a memory limit, and write `.npz` files.

Headers are read with a regular expression and never evaluated as Python. Pickles are refused. Sizes are
checked before memory is allocated.
"""

from __future__ import annotations

import io
import math
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from .._util.files import AtomicFile
from .._util.user_files import read_file
from .errors import PortError, error_message, safe_text, translate_errors

# Maximum size of all arrays in a file, in bytes. The largest network of OpenFace has 1.6 million bytes.
NETWORK_LIMIT = 1 << 30

NUMBER = re.compile(r"[<>=|]?(?:f[248]|[iu][1248]|b1)")
TEXT_OR_COMPLEX = re.compile(
    r"[<>=|]?(?:c8|c16|[SU][1-9][0-9]{0,3})"
)  # arrays of these types are not weights, but a file may contain them
MAX_AXES = 8

MAGIC = b"\x93NUMPY"
MAX_HEADER = 10_000  # maximum size of a header in bytes; NumPy has the same limit
MAX_DIGITS = 19  # maximum number of digits of a size; sizes are below 2^63
OBJECT_DTYPES = {"|O", "O", "|O4", "|O8"}  # types of arrays that contain a pickle
HEADER_FIELD = re.compile(
    r"""\s*['"](?:(descr)['"]\s*:\s*['"]([<>=|]?[A-Za-z][0-9]{0,6})['"]"""
    r"""|(fortran_order)['"]\s*:\s*(True|False)|(shape)['"]\s*:\s*\(([0-9L, ]*)\))\s*(?:,|\Z)"""
)

CHUNK = 1 << 20  # bytes that are decompressed at a time
WRITE_CHUNK = 1 << 22  # bytes that are copied at a time if an array is not contiguous
TIMESTAMP = (1980, 1, 1, 0, 0, 0)  # a fixed time, so that equal content gives equal files
UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError)


class Budget:
    """The number of bytes that the reader of one file may still allocate.

    The reader subtracts a size from this number before it allocates memory of this size.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.limit = self.remaining = NETWORK_LIMIT if limit is None else min(limit, NETWORK_LIMIT)

    def spend(self, size: int, what: str) -> None:
        """Subtract `size` bytes. Raises PortError if fewer bytes remain."""
        if not 0 <= size <= self.remaining:
            raise PortError(
                f"expected at most {self.limit} bytes in a network's file; {what} would exceed this limit"
            )
        self.remaining -= size


def parse_dtype(text: object, *, allow_text_and_complex: bool = False) -> np.dtype[Any]:
    """Convert a type code such as "<f4" to a dtype.

    Raises PortError if the type is not a number. With `allow_text_and_complex`, text and complex numbers are
    also accepted.
    """
    if type(text) is str and (
        NUMBER.fullmatch(text) or (allow_text_and_complex and TEXT_OR_COMPLEX.fullmatch(text))
    ):
        return np.dtype(text)
    raise PortError(f"expected a numeric dtype such as '<f4', found {text!r}")


def count_bytes(shape: object, dtype: np.dtype[Any]) -> int:
    """Return the size of an array in bytes. Raises PortError if the shape is invalid."""
    if type(shape) is not tuple or len(shape) > MAX_AXES:
        found = f"{len(shape)} sizes" if type(shape) is tuple else type(shape).__name__
        raise PortError(f"expected a shape as a tuple of at most {MAX_AXES} sizes, found {found}")
    if not all(type(size) is int and 0 <= size < 1 << 40 for size in shape):
        raise PortError(f"expected a shape of whole numbers of at least 0, found {shape!r}")
    return math.prod(shape) * dtype.itemsize


def array_from_bytes(
    data: bytes | bytearray | memoryview, dtype: np.dtype[Any], shape: object, *, fortran: bool
) -> npt.NDArray[Any]:
    """Create an array that shares the memory of `data`.

    Raises PortError if `data` has another size than `shape` and `dtype` require.
    """
    expected = count_bytes(shape, dtype)
    if len(data) != expected:
        raise PortError(f"expected {expected} bytes for shape {shape} of {dtype}, found {len(data)}")
    assert isinstance(shape, tuple)  # `count_bytes` checks it
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


class Header(NamedTuple):
    """The header of a `.npy` file. `dtype` is NumPy's type code, such as "<f4"."""

    dtype: str
    fortran: bool
    shape: tuple[int, ...]


def read_header(stream: IO[bytes]) -> Header:
    """Read the header of a `.npy` file. Raises PortError if it is damaged or has a structured type."""
    start = stream.read(8)
    if not start.startswith(MAGIC) or len(start) < 8 or start[6] not in (1, 2, 3):
        raise PortError(f"expected the first bytes of a .npy file, found {start!r}")
    size_format = "<H" if start[6] == 1 else "<I"
    size_bytes = stream.read(struct.calcsize(size_format))
    if len(size_bytes) < struct.calcsize(size_format):
        raise PortError("expected the length of a header, found the end of the file")
    (length,) = struct.unpack(size_format, size_bytes)
    data = stream.read(min(length, MAX_HEADER))
    if length != len(data):
        raise PortError(f"expected a header of at most {MAX_HEADER} bytes, found {length}")
    text = data.decode("latin1").strip()
    fields: dict[str, str] = {}
    body = text.removeprefix("{").removesuffix("}").rstrip()
    position = 0
    while position < len(body):
        match = HEADER_FIELD.match(body, position)
        if match is None:
            raise PortError(f"expected a header with a plain dtype and a shape, found {text[:200]!r}")
        name, value = [group for group in match.groups() if group is not None]
        if name in fields:
            raise PortError(f"expected {name} once in the header, found {text[:200]!r}")
        fields[name], position = value, match.end()
    if set(fields) != {"descr", "fortran_order", "shape"} or not (text[0] == "{" and text[-1] == "}"):
        raise PortError(f"expected a header with descr, fortran_order and shape, found {text[:200]!r}")
    sizes = [size.strip().rstrip("L") for size in fields["shape"].split(",")]  # Python 2 wrote 3L
    shape = tuple(parse_size(size) for size in sizes if size)
    return Header(fields["descr"], fields["fortran_order"] == "True", shape)


def parse_size(text: str) -> int:
    if not text.isdecimal() or len(text) > MAX_DIGITS:
        raise PortError(f"expected a whole number as the size of an axis, found {text[:40]!r}")
    return int(text)


class NpzReader:
    """Reads single arrays of an `.npz` archive.

    A subclass can accept other `.npz` files. It sets `error`, the class of the exceptions that the reader
    raises, and overrides `check_entry` and `check_header`.

    Args:
        path: Name of the file, for errors.
        file: The opened file, or None to open `path`.
    """

    error: ClassVar[type[ValueError]] = PortError

    def __init__(self, path: str | os.PathLike[str], file: IO[bytes] | None = None) -> None:
        self.path = Path(path)
        try:
            self._zip = zipfile.ZipFile(self.path if file is None else file)
        except (*UNREADABLE, ValueError) as error:
            raise self.error(f"{self.path} is not a readable NPZ file, or is truncated ({error})") from error
        entries = self._zip.infolist()
        self._entries = {entry.filename.removesuffix(".npy"): entry for entry in entries}
        self.names = tuple(self._entries)
        if len(self.names) != len(entries):
            self.close()
            raise self.error(f"{self.path}: two entries have the same name; the file is damaged")

    def close(self) -> None:
        """Close the file. A later read raises an error."""
        self._zip.close()

    def __enter__(self) -> NpzReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(
        self, name: str, *, shape: tuple[int, ...] | None = None, dtype: str | None = None
    ) -> npt.NDArray[Any]:
        """Read one array, and return it as a read-only array.

        Raises `error` if the array is damaged, or if its shape or dtype is not the given one.
        """
        where = f"{self.path}: entry {name!r}"
        if self._zip.fp is None:
            raise self.error(f"{self.path} was closed; load it again to read {name!r}")
        if name not in self._entries:
            raise self.error(f"{self.path} has no entry {name!r}; it is truncated or changed")
        entry = self._entries[name]
        self.check_entry(entry)
        try:
            with self._zip.open(entry) as stream:
                return self.read_array(stream, entry.file_size, where, shape, dtype)
        except self.error:
            raise
        except (*UNREADABLE, RuntimeError, ValueError) as error:  # RuntimeError: an encrypted entry
            raise self.error(f"{where} cannot be read ({error}); the file is damaged") from error

    @classmethod
    def read_array(
        cls,
        stream: IO[bytes],
        size: int,
        where: str,
        shape: tuple[int, ...] | None = None,
        dtype: str | None = None,
    ) -> npt.NDArray[Any]:
        """Read a `.npy` file of `size` bytes. Each error message begins with `where`."""
        try:
            header = read_header(stream)
        except PortError as error:
            raise cls.error(f"{where} is not a NumPy array ({safe_text(error, 300)})") from error
        try:
            numbers = cls.check_header(header)
        except PortError as error:
            raise cls.error(f"{where}: {safe_text(error, 300)}") from error
        if shape is not None and (header.shape, numbers.name) != (shape, dtype):
            raise cls.error(
                f"{where} is {header.shape} {numbers.name}, the manifest records {shape} {dtype}; the file "
                "was changed or damaged"
            )
        expected, found = math.prod(header.shape) * numbers.itemsize, size - stream.tell()
        if expected != found:
            raise cls.error(
                f"{where} has {found} bytes of values, its header specifies {expected}; the file is damaged"
            )
        data = bytearray()
        while len(data) < expected and (chunk := stream.read(min(CHUNK, expected - len(data)))):
            data += chunk  # allocates memory only for bytes that the file really contains
        if len(data) != expected or stream.read(1):
            raise cls.error(
                f"{where} has fewer or more bytes of values than its header specifies; the file is damaged"
            )
        array = np.frombuffer(data, numbers).reshape(header.shape, order="F" if header.fortran else "C")
        array.flags.writeable = False
        return array

    def check_entry(self, entry: zipfile.ZipInfo) -> None:
        """Raise an error if the compression method of an entry is not supported."""
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise self.error(
                f"{entry.filename}: expected the compression method stored or deflate, found method "
                f"{entry.compress_type}"
            )

    @classmethod
    def check_header(cls, header: Header) -> np.dtype[Any]:
        """Return the type of an array. Raises PortError if its type or shape is not accepted."""
        dtype = parse_dtype(header.dtype, allow_text_and_complex=True)
        count_bytes(header.shape, dtype)
        return dtype

    def check_total_size(self) -> None:
        """Raise PortError if the sum of the sizes that the entries state exceeds NETWORK_LIMIT."""
        budget = Budget()
        for entry in self._entries.values():
            budget.spend(entry.file_size, f"{entry.filename} of {entry.file_size} bytes")


def read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Read all arrays of an `.npz` file.

    Returns:
        Read-only arrays by name, in the order of the file.

    Raises:
        FileNotFoundError: If there is no such file.
        PortError: If the file is damaged, too large, or contains pickles.
    """
    file = io.BytesIO(read_file(path))
    with translate_errors(path):
        try:
            with NpzReader(path, file) as archive:
                archive.check_total_size()
                return {name: archive.read(name) for name in archive.names}
        except Exception as error:  # a damaged archive can raise any exception
            reason = error_message(error).removeprefix(f"{safe_text(path)}: ")
            raise PortError(f"expected an .npz file of plain arrays ({reason})") from error


class NpzWriter:
    """Writes an `.npz` file entry by entry. Until `commit`, the file has a temporary name in the same folder.

    `commit` gives the file its name. If the `with` block ends without `commit`, the temporary file is removed
    and a file that already has the final name does not change.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._part = AtomicFile(path)
        self._zip = zipfile.ZipFile(self._part.file, "w", zipfile.ZIP_STORED)
        self._names: set[str] = set()

    def add(self, name: str, array: npt.NDArray[Any], *, compress: bool = False) -> None:
        """Append one array. Its values are written in C order and little endian."""
        if name in self._names:
            raise ValueError(f"two arrays have the name {name!r}")
        self._names.add(name)
        entry = zipfile.ZipInfo(name + ".npy", TIMESTAMP)
        entry.compress_type = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
        header = {
            "descr": np.lib.format.dtype_to_descr(array.dtype.newbyteorder("<")),
            "fortran_order": False,
            "shape": array.shape,
        }
        with self._part.translated_errors(), self._zip.open(entry, "w", force_zip64=True) as stream:
            np.lib.format.write_array_header_1_0(stream, header)
            for chunk in value_chunks(array):
                stream.write(chunk)

    def commit(self) -> None:
        """Complete the file and give it its name."""
        self._zip.close()
        self._part.commit()

    def __enter__(self) -> NpzWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.fp = None  # closing must not write: this fails while an entry is open
        self._part.discard()


def write_npz(arrays: Mapping[str, npt.NDArray[Any]], path: str | Path) -> None:
    """Write arrays by name into an `.npz` file."""
    with NpzWriter(path) as writer:
        for name, array in arrays.items():
            writer.add(name, np.asarray(array))
        writer.commit()


def value_chunks(array: npt.NDArray[Any]) -> Iterator[memoryview]:
    """Yield the bytes of an array, in C order and little endian.

    A large array that is not contiguous is yielded in parts, so that only a few MB are copied at a time.
    """
    array = np.asarray(array, array.dtype.newbyteorder("<"))
    if array.size == 0:
        return
    if array.ndim > 1 and array.nbytes > WRITE_CHUNK and not array.flags.c_contiguous:
        for part in array:
            yield from value_chunks(part)
    else:
        yield np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
