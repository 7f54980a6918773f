"""Writes files atomically. A file has a temporary name until its content is complete."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from .errors import MtcnnError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

LEFTOVER = re.compile(r"\.(.+)\.[0-9a-f]{8}\.part(?:\.mp4)?", re.DOTALL)
MAX_NAME_BYTES = 200  # maximum length of the file name inside a temporary name; file systems allow 255


def temporary_name(name: str, ending: str = ".part") -> str:
    """Return a unique hidden temporary name for a file name."""
    return f".{truncate_name(name, MAX_NAME_BYTES)}.{os.urandom(4).hex()}{ending}"


def is_leftover(name: str) -> bool:
    """Return whether a name is a temporary name.

    A file with a temporary name is incomplete: a process is still writing the file, or was killed.
    """
    return LEFTOVER.fullmatch(name) is not None


def target_name(name: str) -> str | None:
    """Return the file name in a temporary name. Return None if `name` is not a temporary name.

    If the file name has more than MAX_NAME_BYTES bytes, only its beginning is returned.
    """
    match = LEFTOVER.fullmatch(name)
    return match and match[1]


def truncate_name(name: str, max_bytes: int) -> str:
    """Return the longest prefix of `name` with at most `max_bytes` bytes."""
    while len(os.fsencode(name)) > max_bytes:
        name = name[:-1]
    return name


class WriteError(MtcnnError, OSError):
    """A file could not be written.

    `errno` and `strerror` have the values of the system error. `filename` is the requested file, not its
    temporary name. `kept` is the part of the message that describes the files that remain after the failure.
    """

    kept = "no incomplete file remains"

    def __str__(self) -> str:
        return f"{self.filename} could not be written ({self.strerror}); {self.kept}"


def write_error(path: str | os.PathLike[str], error: OSError, kept: str = WriteError.kept) -> OSError:
    """Convert a system error to a WriteError that names `path`.

    The result is also an instance of the class of the system error.

    `kept` is the part of the message that describes the files that remain after the failure.
    """
    if isinstance(error, WriteError):
        return error
    kind = type(error)
    combined: type[OSError] = WriteError
    if kind is not OSError:
        combined = type(kind.__name__, (WriteError, kind), {})
    result = combined(error.errno, error.strerror or str(error), os.fspath(path))
    result.kept = kept  # type: ignore[attr-defined]  # WriteError.kept
    return result


def check_output(path: Path) -> Path:
    """Return `path`. Raise OSError if its folder does not exist, or if it is a folder or a special file."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: the folder {path.parent} does not exist")
    if path.is_dir() and not path.is_symlink():
        raise IsADirectoryError(f"{path} is a folder; give the name of a file to write")
    if path.exists() and not path.is_file() and not path.is_symlink():
        raise OSError(f"{path} is a device or a special file; give the name of a file to write")
    return path


class OutputFile(io.FileIO):
    """A new unbuffered file for writing. `write` always writes all bytes.

    `translate` converts each system error of the file to the error that is raised. The file is locked while
    it is open, so that `remove_if_abandoned` does not remove it. `still_exists` is False if another process
    removed the file before it was locked.
    """

    def __init__(self, path: Path, translate: Callable[[OSError], OSError]) -> None:
        self._translate = translate
        with self.translated():
            super().__init__(path, "xb")
            self.still_exists = _lock(self.fileno(), path)

    def write(self, data: ReadableBuffer, /) -> int:
        view = memoryview(data).cast("B")
        done = 0
        with self.translated():
            while done < len(view):
                done += super().write(view[done:]) or 0
        return done

    def truncate(self, size: int | None = None, /) -> int:
        with self.translated():
            return super().truncate(size)

    def sync(self) -> None:
        """Wait until the content is stored on the disk."""
        with self.translated():
            os.fsync(self.fileno())

    def close(self) -> None:
        with self.translated():
            super().close()

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            translated = self._translate(error)
            if translated is error:
                raise
            raise translated from error


class AtomicFile:
    """A file with a temporary name, in the folder of `path`. `commit` renames it, and `discard` removes it.

    An earlier file at `path` does not change before `commit`. A symbolic link at `path` is replaced; the link
    target does not change. Always call `discard` at the end, also after `commit`.

    Args:
        path: The file to write.
        ending: Ending of the temporary name, for libraries that derive the format from the file name.
        durable: Whether `commit` waits until the content is stored on the disk, so that it survives a power
            failure.

    Attributes:
        file: Writable binary file. Its errors are `WriteError`s that name `path`.
        temporary: Path of the temporary file.

    Raises:
        FileNotFoundError: The folder does not exist.
        IsADirectoryError: `path` is a folder.
        OSError: The file cannot be written. The message names `path`.
    """

    def __init__(self, path: str | os.PathLike[str], *, ending: str = ".part", durable: bool = True) -> None:
        self.path = check_output(Path(path))
        self._durable = durable
        while True:
            self.temporary = self.path.with_name(temporary_name(self.path.name, ending))
            self._raw = OutputFile(self.temporary, lambda error: write_error(self.path, error))
            if self._raw.still_exists:
                break
            self._raw.close()
        self.file = cast("IO[bytes]", io.BufferedWriter(self._raw))

    def commit(self) -> None:
        """Complete the file and rename it to `path`."""
        self.file.flush()
        if self._durable:
            self._raw.sync()
        move_into_place(self._raw, self.temporary, self.path)

    def discard(self) -> None:
        """Remove the temporary file. After `commit`, this method does nothing."""
        with contextlib.suppress(OSError, ValueError):  # unwritten data is discarded with the file
            self.file.close()
        with contextlib.suppress(OSError):
            self._raw.close()
        self.temporary.unlink(missing_ok=True)

    def translated_errors(self) -> contextlib.AbstractContextManager[None]:
        """Return a context manager that converts system errors in its block to errors that name `path`."""
        return self._raw.translated()

    def write_failure(self, reason: str) -> OSError:
        """Return the error for a file whose content is incomplete. `reason` states the cause."""
        return write_error(self.path, OSError(errno.EIO, reason))


def move_into_place(file: OutputFile, temporary: Path, path: Path) -> None:
    """Rename the temporary file to `path` and close it.

    If a file exists at `path`, its permissions are kept.
    """
    with file.translated():
        if path.is_file() and not path.is_symlink():
            temporary.chmod(stat.S_IMODE(path.stat().st_mode))
        if os.name == "nt":  # Windows cannot rename an open file
            file.close()
        os.replace(temporary, path)
    file.close()


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike[str], *, durable: bool = True) -> Iterator[IO[bytes]]:
    """Open an `AtomicFile` for the duration of the `with` block, and commit it at the end.

    If the block raises an exception (including KeyboardInterrupt), the temporary file is removed. System
    errors of the file become a `WriteError`. All other exceptions of the block do not change.
    """
    part = AtomicFile(path, durable=durable)
    try:
        yield part.file
        part.commit()
    finally:
        part.discard()


def write_file(path: str | os.PathLike[str], data: bytes, *, durable: bool = True) -> None:
    """Write `data` to a file atomically (see `atomic_file`)."""
    with atomic_file(path, durable=durable) as file:
        file.write(data)


if sys.platform == "win32":  # Windows cannot remove an open file

    def _lock(file: int, path: Path) -> bool:
        return True

    def remove_if_abandoned(path: Path) -> None:
        """Remove a temporary file, unless a process writes to it."""
        with contextlib.suppress(OSError):
            path.unlink()
else:
    import fcntl

    def _lock(file: int, path: Path) -> bool:
        """Lock a new file.

        Return False if another process has removed the file, because it seemed abandoned.
        """
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return os.path.samestat(os.fstat(file), os.lstat(path))
        except (BlockingIOError, FileNotFoundError):
            return False
        except OSError:  # the file system has no locks
            return True

    def remove_if_abandoned(path: Path) -> None:
        """Remove a temporary file. Keep it if a process writes to it, or if its lock cannot be checked."""
        try:
            file = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(file), os.lstat(path)):
                path.unlink()
        except OSError:  # the file is in use or was removed, or its file system has no locks
            pass
        finally:
            os.close(file)
