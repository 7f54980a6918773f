"""One job at a time in a folder on this machine: the operating system's lock on a file in it."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

from .errors import FolderInUse

LOCK = ".mtcnn-cpp.lock"
TAKEN = {errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK, errno.EDEADLK}
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
LOCKED_BYTE = 2**30  # far behind what is written: Windows lets nobody else read a byte that is locked

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
    """Hold the lock of this folder; FolderInUse, which names its holder, if another has it.

    The file of a process that was killed stays, unlocked, until the next one takes it.
    """
    path = folder / LOCK
    file = _take(folder, path)
    try:
        yield
    finally:
        if (
            os.name == "nt"
        ):  # there, an open file cannot be removed, nor one that another has opened meanwhile
            os.close(file)
            with contextlib.suppress(OSError):
                path.unlink()
        else:  # removed while it is locked: who has opened it meanwhile sees that it is gone
            with contextlib.suppress(OSError):
                path.unlink()
            os.close(file)


def _take(folder: Path, path: Path) -> int:
    """The lock's open file."""
    while True:
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
        except OSError as error:
            if not folder.is_dir():
                raise FileNotFoundError(
                    f"{folder} is not a folder; it is to exist before it is locked"
                ) from error
            if os.name == "nt" and isinstance(error, PermissionError):
                raise FolderInUse(_in_use(folder, path)) from error  # being removed
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
    """Whether `file` is locked now, and still the file of that path."""
    try:
        _try_lock(file)
    except OSError as error:
        if error.errno in NO_LOCKS:
            warnings.warn(
                f"{folder} is on a file system without locks ({error.strerror}); "
                "see to it that no other job writes to this folder",
                RuntimeWarning,
                stacklevel=5,
            )
            return True
        if error.errno in TAKEN:
            raise FolderInUse(_in_use(folder, path)) from None
        raise type(error)(f"{folder} cannot be locked: {error.strerror or error}") from error
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except FileNotFoundError:
        return False


def _in_use(folder: Path, path: Path) -> str:
    """What is said of a lock that another process holds. Its file may be gone or empty by now."""
    who = "another process"
    with contextlib.suppress(OSError, ValueError):
        pid, host = path.read_bytes()[:300].decode().split()
        who = f"process {int(pid)}" + ("" if host == socket.gethostname() else f" on {host!a}")
    return f"{folder} is in use by {who}, which writes to it; wait until it has ended, or give another folder"
