"""A folder in an object store, or in whatever else fsspec has a package for."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

from ..files import OutputFile, is_leftover
from .address import Address, parse
from .errors import FolderInUse, code_of, plain, told
from .local import check_name
from .reading import open_remote
from .system import is_whole, system
from .uploads import upload

_locked: set[str] = set()
_locking = threading.Lock()


@dataclass(frozen=True)
class RemoteFolder:
    """See `Folder`."""

    name: str
    address: Address = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "address", parse(self.name, dots=False))

    def make(self) -> None:
        files = system(self.address)
        if not is_whole(self.address):
            with told(self.address):
                files.makedirs(str(self.address), exist_ok=True)
            return
        try:
            self._entries()
        except FileNotFoundError as error:
            if code_of(error) == "NoSuchBucket":
                raise

    def names(self) -> list[str]:
        with contextlib.suppress(FileNotFoundError):
            return [name for name in self._entries() if not is_leftover(name)]
        return []

    def read(self, name: str) -> bytes:
        address = self._file(name)
        files = system(address)
        with told(address):
            return bytes(files.cat_file(str(address)))

    def open(self, name: str) -> IO[bytes]:
        return open_remote(self._file(name))

    def writing(self, name: str) -> AbstractContextManager[IO[bytes]]:
        return _writing(self.address, name, self._file(name))

    def put(self, path: Path, name: str) -> None:
        """Upload a file of this machine, whole or not at all."""
        check_name(name)
        upload(os.fspath(path), self.address, name)

    def remove(self, name: str) -> None:
        address = self._file(name)
        files = system(address)
        with contextlib.suppress(FileNotFoundError), told(address):
            files.rm_file(str(address))

    def clean(self) -> None:
        """In an object store there is nothing to do: what was not uploaded to its end is no file. (Parts of a
        large upload that was killed are kept, unseen, until the bucket's rule for incomplete uploads removes
        them.)"""
        if not is_whole(self.address):
            with contextlib.suppress(FileNotFoundError):
                for name in filter(is_leftover, self._entries()):
                    self.remove(name)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        where = str(self.address)
        with _locking:
            if where in _locked:
                raise FolderInUse(f"{where} is in use by another job of this process; give another folder")
            _locked.add(where)
        try:
            yield
        finally:
            with _locking:
                _locked.discard(where)

    def _file(self, name: str) -> Address:
        return self.address / check_name(name)

    def _entries(self) -> list[str]:
        """The names of all files directly in it, sorted."""
        files = system(self.address)
        with told(self.address):
            root = str(files._strip_protocol(str(self.address))).rstrip("/") + "/"
            entries = files.ls(str(self.address), detail=True)
            names = [entry["name"].removeprefix(root) for entry in entries if entry["type"] == "file"]
        return sorted(name for name in names if name and "/" not in name)


@contextlib.contextmanager
def _writing(folder: Address, name: str, address: Address) -> Iterator[IO[bytes]]:
    """The file is written on this machine, and uploaded when it is complete."""
    system(folder)  # what is missing is told now
    with tempfile.TemporaryDirectory(prefix="mtcnn-cpp-") as place:
        path = Path(place, "file")
        raw = OutputFile(path, lambda error: plain(str(address), error))
        with cast("IO[bytes]", io.BufferedWriter(raw)) as file:
            yield file
        upload(os.fspath(path), folder, name)
