"""A file in a store, opened for reading."""

from __future__ import annotations

import io
from typing import IO, TYPE_CHECKING, Any, cast

from .address import Address
from .errors import told
from .system import system

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK = 8 * 2**20  # bytes asked for at once


def open_remote(address: Address) -> IO[bytes]:
    """A seekable binary stream. Blocks are fetched as they are read."""
    files = system(address)
    with told(address):
        file = files.open(str(address), "rb", block_size=BLOCK)
        if isinstance(file, io.BytesIO):  # of memory://: the one that everybody shares
            return io.BytesIO(file.getvalue())
    return cast("IO[bytes]", io.BufferedReader(_Stream(address, file), 2**16))


class _Stream(io.RawIOBase):
    """fsspec's file, with errors that name the address."""

    def __init__(self, address: Address, file: Any) -> None:
        self._address = address
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        with told(self._address):
            return int(self._file.readinto(buffer))

    def readall(self) -> bytes:
        with told(self._address):
            return bytes(self._file.read())

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
