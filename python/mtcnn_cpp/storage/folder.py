"""Interface of a folder on this machine or in a store."""

from __future__ import annotations

import os
import re
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Protocol

from .address import is_address
from .local import LocalFolder
from .remote import RemoteFolder

FLATTENED = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:[/\\][^/\\]")  # `Path` changes scheme:// to scheme:/


class Folder(Protocol):
    """A folder that contains files.

    Subfolders are ignored. File names do not contain a path. A folder object can be shared between threads
    and pickled.
    """

    @property
    def name(self) -> str:
        """The path or address that the user has given."""

    def make(self) -> None:
        """Create the folder if it does not exist.

        In an object store, nothing is created. A missing bucket raises FileNotFoundError.
        """

    def names(self) -> list[str]:
        """Return the sorted names of the files. If the folder does not exist, return an empty list.

        Temporary files and the lock file are not listed.
        """

    def read(self, name: str) -> bytes:
        """Return the content of a file. Raises FileNotFoundError if it does not exist."""

    def open(self, name: str) -> IO[bytes]:
        """Open a seekable file for reading. Raises FileNotFoundError if it does not exist."""

    def open_for_writing(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """Open a seekable file for writing. The file gets its name only when the `with` block ends.

        If the block raises an exception, or if the process is killed, an earlier file with this name stays
        unchanged.
        """

    def remove(self, name: str) -> None:
        """Remove a file if it exists."""

    def clean(self) -> None:
        """Remove all temporary files in the folder. Usually, killed processes have left these files.

        Temporary files of running processes are removed, too. Therefore, call this method only while you hold
        the lock.
        """

    def lock(self) -> AbstractContextManager[None]:
        """Lock the folder for the duration of the `with` block.

        If another job holds the lock, `FolderInUseError` is raised.

        For a folder on this machine, the operating system releases the lock after the process and all its
        forked children have ended. For a folder in a store, the lock applies only to jobs of the same
        process. If two processes write files with the same name to a folder in a store, the file that is
        written last is kept. This file is complete.
        """


def open_folder(where: str | os.PathLike[str]) -> Folder:
    """Return the folder at a path or an address. This function does not access the folder.

    Args:
        where: Path on this machine, or a string with an address such as `s3://bucket/folder`.

    Raises:
        ValueError: The address is not valid, or contains a key or password.
    """
    name = os.fspath(where)
    if is_address(name):
        return RemoteFolder(name)
    if not isinstance(where, str) and FLATTENED.match(name) and not Path(name).exists():
        raise ValueError(
            f"{name}: give the address as a string; pathlib.Path has removed one of the two slashes after "
            "the colon"
        )
    return LocalFolder(name)
