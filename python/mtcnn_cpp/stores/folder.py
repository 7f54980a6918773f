"""One interface to a folder, wherever it is."""

from __future__ import annotations

import os
import re
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Protocol

from .address import is_address
from .local import LocalFolder
from .remote import RemoteFolder

FLATTENED = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:[/\\][^/\\]")  # what Path makes of scheme://


class Folder(Protocol):
    """A folder of files, of which only those directly in it count. File names are plain: no path.

    A folder may be used by several threads, and travels between processes (pickle).
    """

    @property
    def name(self) -> str:
        """The path or the address, as the user gave it."""

    def make(self) -> None:
        """Create the folder where it is missing. An object store has none to create; there, a missing bucket
        is a FileNotFoundError."""

    def names(self) -> list[str]:
        """The names of the files in it, sorted; none if it does not exist. Leftovers of interrupted writes
        and the file of the lock are left out."""

    def read(self, name: str) -> bytes:
        """What is in a file; FileNotFoundError if it is not there."""

    def open(self, name: str) -> IO[bytes]:
        """A file to read from, seekable; FileNotFoundError if it is not there."""

    def writing(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """A binary file to write to, seekable, which is `name` once the block has ended, whole or not at all.
        If the block raises, or the process is killed, an earlier file stays as it was."""

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""

    def clean(self) -> None:
        """Remove the leftovers of killed processes, and nothing else. Also those of a process that writes
        just now: call it while you hold the lock."""

    def lock(self) -> AbstractContextManager[None]:
        """Keep other jobs out of this folder while the block runs; FolderInUse if one is at it.

        On this machine the operating system holds the lock, and frees it when the process ends in whatever
        way (and the processes that it forked, which have a share in it). A store has no such thing: there,
        only jobs of the same process keep out of each other's way. Two processes that write to one folder in
        a store both run, and of each file the one written last stays, whole.
        """


def open_folder(where: str | os.PathLike[str]) -> Folder:
    """The folder at a path or an address. Nothing is read or created yet."""
    name = os.fspath(where)
    if is_address(name):
        return RemoteFolder(name)
    if not isinstance(where, str) and FLATTENED.match(name) and not Path(name).exists():
        raise ValueError(f"{name}: give an address as text; a Path keeps one of its two slashes only")
    return LocalFolder(name)
