"""The one way in which this package writes a file: complete, or not at all."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

LEFTOVER = re.compile(r"\.(.+)\.[0-9a-f]{8}\.part(?:\.mp4)?", re.DOTALL)
LONGEST = 200  # bytes of a name that are kept in its temporary name; a name may have 255


def temporary_name(name: str, ending: str = ".part") -> str:
    """The name under which a file of this name is written: never the same twice, and hidden."""
    return f".{shortened(name, LONGEST)}.{os.urandom(4).hex()}{ending}"


def is_leftover(name: str) -> bool:
    """Whether this is such a name. A file that has it is being written, or its writer was killed."""
    return LEFTOVER.fullmatch(name) is not None


def written_name(name: str) -> str | None:
    """The name of the file that is written under this temporary name (shortened if it is long), or None."""
    found = LEFTOVER.fullmatch(name)
    return found and found[1]


def shortened(name: str, most: int) -> str:
    """The longest beginning of `name` with at most `most` bytes."""
    while len(os.fsencode(name)) > most:
        name = name[:-1]
    return name


class WriteError(OSError):
    """A file could not be written. `errno` and `strerror` are those of the system; `filename` is the
    requested file, not its temporary name."""

    kept = "nothing was left behind"

    def __str__(self) -> str:
        return f"{self.filename} could not be written ({self.strerror}); {self.kept}"


def write_error(path: str | os.PathLike[str], error: OSError, kept: str = WriteError.kept) -> OSError:
    """The error of writing `path` that `error` is: of the same class, with the same errno and strerror.

    kept: what is there after the failure.
    """
    if isinstance(error, WriteError):
        return error
    kind = type(error)
    named: type[OSError] = WriteError
    if kind is not OSError:
        named = type(kind.__name__, (WriteError, kind), {})
    made = named(error.errno, error.strerror or str(error), os.fspath(path))
    made.kept = kept  # type: ignore[attr-defined]  # of WriteError
    return made


def check_output(path: Path) -> Path:
    """`path`, if a file can be written there: its folder exists, and it is no folder or device."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: the folder {path.parent} does not exist")
    if path.is_dir() and not path.is_symlink():
        raise IsADirectoryError(f"{path} is a folder; give the name of a file to write")
    if path.exists() and not path.is_file() and not path.is_symlink():
        raise OSError(f"{path} is a device or a special file; give the name of a file to write")
    return path


class OutputFile(io.FileIO):
    """An unbuffered file to write to, whose own errors pass through `translate`; `write` writes everything.

    The file is new, and locked as long as it is open, so that `remove_if_abandoned` leaves it alone.
    `is_there`: whether it was still at its path when it was locked.
    """

    def __init__(self, path: Path, translate: Callable[[OSError], OSError]) -> None:
        self._translate = translate
        with self.translated():
            super().__init__(path, "xb")
            self.is_there = _lock(self.fileno(), path)

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
        """Wait until the content is on the disk."""
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
            named = self._translate(error)
            if named is error:
                raise
            raise named from error


class Part:
    """A file under a temporary name beside `path`: `commit` gives it its name, `discard` removes it.

    An earlier file at `path` stays as it was until then. A symbolic link at `path` is replaced; the file that
    it points to is not touched. `file` is the file to write to; its errors are `WriteError` and name `path`.

    Raises FileNotFoundError if the folder is missing, IsADirectoryError if `path` is a folder, and another
    OSError, which names `path`, if it cannot be written.

    Args:
        path: The file to write.
        ending: Ending of the temporary name, which is `temporary`, for libraries that open a file by its name
            and go by its ending.
        durable: Whether `commit` waits until the content is on the disk, so that it survives a power failure.
    """

    def __init__(self, path: str | os.PathLike[str], *, ending: str = ".part", durable: bool = True) -> None:
        self.path = check_output(Path(path))
        self._durable = durable
        while True:
            self.temporary = self.path.with_name(temporary_name(self.path.name, ending))
            self._raw = OutputFile(self.temporary, lambda error: write_error(self.path, error))
            if self._raw.is_there:
                break
            self._raw.close()
        self.file = cast("IO[bytes]", io.BufferedWriter(self._raw))

    def commit(self) -> None:
        """Put the file in place."""
        self.file.flush()
        if self._durable:
            self._raw.sync()
        replace_by(self._raw, self.temporary, self.path)

    def discard(self) -> None:
        """Remove the temporary file, if it is still there."""
        with contextlib.suppress(OSError, ValueError):  # what could not be flushed goes with the file
            self.file.close()
        with contextlib.suppress(OSError):
            self._raw.close()
        self.temporary.unlink(missing_ok=True)

    def named(self) -> contextlib.AbstractContextManager[None]:
        """For a block that only writes this file: its errors are those of writing it."""
        return self._raw.translated()

    def failed(self, why: str) -> OSError:
        """The error to raise if the content turns out to be incomplete."""
        return write_error(self.path, OSError(errno.EIO, why))


def replace_by(file: OutputFile, temporary: Path, path: Path) -> None:
    """Close the file and give it its name. `path` keeps its permissions."""
    with file.translated():
        if path.is_file() and not path.is_symlink():
            shutil.copymode(path, temporary)
        if os.name == "nt":  # there, an open file cannot be renamed
            file.close()
        os.replace(temporary, path)
    file.close()


@contextlib.contextmanager
def writing(path: str | os.PathLike[str], *, durable: bool = True) -> Iterator[IO[bytes]]:
    """A binary file to write to, which is `path` once the block has ended; see `Part`.

    If the block raises (an interrupt included), the temporary file is removed. What the block raises for
    another reason than this file passes unchanged.
    """
    part = Part(path, durable=durable)
    try:
        yield part.file
        part.commit()
    finally:
        part.discard()


def write_whole(path: str | os.PathLike[str], data: bytes, *, durable: bool = True) -> None:
    """Write `data` to a file as `writing` does."""
    with writing(path, durable=durable) as file:
        file.write(data)


if sys.platform == "win32":  # there, nobody can remove a file that is open

    def _lock(file: int, path: Path) -> bool:
        return True

    def remove_if_abandoned(path: Path) -> None:
        """Remove a temporary file, unless a process writes to it."""
        with contextlib.suppress(OSError):
            path.unlink()
else:
    import fcntl

    def _lock(file: int, path: Path) -> bool:
        """Lock a new file; False if it was taken for an abandoned one before that."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return os.path.samestat(os.fstat(file), os.lstat(path))
        except (BlockingIOError, FileNotFoundError):
            return False
        except OSError:  # a file system without locks
            return True

    def remove_if_abandoned(path: Path) -> None:
        """Remove a temporary file, unless a process writes to it, or that cannot be known."""
        try:
            file = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(file), os.lstat(path)):
                path.unlink()
        except OSError:  # in use, gone, or a file system without locks
            pass
        finally:
            os.close(file)
