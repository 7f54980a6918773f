"""A folder on this machine."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ..files import is_leftover, writing
from ..user_files import read_file
from .lock import LOCK, lock_folder


@dataclass(frozen=True)
class LocalFolder:
    """See `Folder`."""

    name: str

    def make(self) -> None:
        try:
            Path(self.name).mkdir(parents=True, exist_ok=True)
        except FileExistsError as error:
            raise FileExistsError(f"{self.name} is a file; give the name of a folder") from error

    def names(self) -> list[str]:
        return sorted(
            entry.name
            for entry in self._entries()
            if entry.is_file() and entry.name != LOCK and not is_leftover(entry.name)
        )

    def read(self, name: str) -> bytes:
        return read_file(self._path(name))

    def open(self, name: str) -> IO[bytes]:
        return self._path(name).open("rb")

    def writing(self, name: str) -> AbstractContextManager[IO[bytes]]:
        return writing(self._path(name))

    def remove(self, name: str) -> None:
        self._path(name).unlink(missing_ok=True)

    def clean(self) -> None:
        for entry in self._entries():
            if is_leftover(entry.name) and entry.is_file(follow_symlinks=False):
                Path(entry.path).unlink(missing_ok=True)

    def lock(self) -> AbstractContextManager[None]:
        return lock_folder(Path(self.name))

    def _entries(self) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self.name) as entries:
                return list(entries)
        except FileNotFoundError:
            return []
        except NotADirectoryError as error:
            raise NotADirectoryError(f"{self.name} is a file; give the name of a folder") from error

    def _path(self, name: str) -> Path:
        path = Path(self.name) / check_name(name)
        if path.parent != Path(self.name) or path.name != name or (os.name == "nt" and ":" in name):
            raise ValueError(f"{name!r} is not the name of a file in {self.name}; give the name alone")
        return path


def check_name(name: str) -> str:
    """`name`, if it is one: not empty, no path, and neither of the two that every folder has."""
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise ValueError(f"{name!r} is not the name of a file; give the name alone, without folders")
    return name
