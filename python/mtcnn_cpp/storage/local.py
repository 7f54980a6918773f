"""A folder on this machine, and its lock.

The lock is an operating system lock on a file in the folder. The lock must meet three requirements.
Therefore, this module does not use the package `filelock`. First, the error names the process that holds the
lock. Second, if the file system does not support locks, there is a warning and no error. Third, the lock file
is removed at the end without a race condition. Tests check all three requirements.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sys
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .._util.files import atomic_file, is_leftover
from .._util.user_files import read_file
from .errors import FolderInUseError

LOCK = ".mtcnn-cpp.lock"
TAKEN = {errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK, errno.EDEADLK}
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
LOCKED_BYTE = 2**30  # is after the content, because on Windows other processes cannot read a locked byte


@dataclass(frozen=True)
class LocalFolder:
    """A folder on this machine. See `Folder` for the methods."""

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

    def open_for_writing(self, name: str) -> AbstractContextManager[IO[bytes]]:
        return atomic_file(self._path(name))

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
    """Return `name` if it is a file name without a path. Otherwise raise ValueError."""
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise ValueError(f"{name!r} is not the name of a file; give the name alone, without folders")
    return name


if sys.platform == "win32":
    import msvcrt

    def _try_lock(file: int) -> None:
        os.lseek(file, LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _try_lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextlib.contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Lock this folder for the duration of the `with` block.

    If another process holds the lock, `FolderInUseError` is raised. Its message names this process.

    If a process is killed, its lock file remains, but the file is no longer locked. The next process locks
    the same file.
    """
    path = folder / LOCK
    file = _open_lock(folder, path)
    try:
        yield
    finally:
        if os.name == "nt":  # Windows cannot remove an open file
            os.close(file)
            with contextlib.suppress(OSError):
                path.unlink()
        else:  # removed before it is unlocked, so that a process that has just opened it detects the removal
            with contextlib.suppress(OSError):
                path.unlink()
            os.close(file)


def _open_lock(folder: Path, path: Path) -> int:
    """Open the lock file and lock it. Return its file descriptor."""
    while True:
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
        except OSError as error:
            if not folder.is_dir():
                raise FileNotFoundError(f"{folder} is not a folder; create it before you lock it") from error
            if os.name == "nt" and isinstance(error, PermissionError):
                raise FolderInUseError(_in_use(folder, path)) from error  # the file is being removed
            raise type(error)(f"{folder} cannot be locked: {path}: {error.strerror or error}") from error
        try:
            if _lock(folder, path, file):
                os.ftruncate(file, 0)
                os.lseek(file, 0, os.SEEK_SET)
                os.write(file, f"{os.getpid()} {socket.gethostname()}\n".encode())
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)


def _lock(folder: Path, path: Path, file: int) -> bool:
    """Lock the open file and return whether it is still the file at `path`."""
    try:
        _try_lock(file)
    except OSError as error:
        if error.errno in NO_LOCKS:
            warnings.warn(
                f"{folder} is on a file system without locks ({error.strerror}); "
                "make sure that no other job writes to this folder",
                RuntimeWarning,
                stacklevel=5,
            )
            return True
        if error.errno in TAKEN:
            raise FolderInUseError(_in_use(folder, path)) from None
        raise type(error)(f"{folder} cannot be locked: {error.strerror or error}") from error
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except FileNotFoundError:
        return False


def _in_use(folder: Path, path: Path) -> str:
    """Return the error message for a lock that another process holds.

    The lock file may be missing or empty.
    """
    holder = "another process"
    with contextlib.suppress(OSError, ValueError):
        pid, host = path.read_bytes()[:300].decode().split()
        holder = f"process {int(pid)}" + ("" if host == socket.gethostname() else f" on {host!a}")
    return (
        f"{folder} is in use by {holder}, which writes to it; wait until it has ended, or give another folder"
    )
