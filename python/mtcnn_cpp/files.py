"""The one way in which this package writes a file: whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO

LEFTOVER = re.compile(r"\..+\.[0-9a-f]{8}\.part(\.mp4)?", re.DOTALL)


def temporary_name(name: str, ending: str = ".part") -> str:
    """The name under which a file of this name is written: never the same twice, and hidden."""
    start = name
    while len(os.fsencode(start)) > 200:  # of the 255 bytes that a name may have
        start = start[:-1]
    return f".{start}.{os.urandom(4).hex()}{ending}"


def is_leftover(name: str) -> bool:
    """Whether this is such a name. A file that has it is being written, or its writer was killed."""
    return LEFTOVER.fullmatch(name) is not None


class Part:
    """A file under a temporary name beside `path`: `commit` gives it its name, `discard` removes it.

    An earlier file at `path` stays as it was until then. A symbolic link at `path` is replaced; the file that
    it points to is not touched. Raises FileNotFoundError if the folder is missing, IsADirectoryError if
    `path` is a folder, and another OSError, which names `path`, if it cannot be written. `ending` is that
    of the temporary name, which is `temporary`, for libraries that open a file by its name and go by its
    ending.
    """

    def __init__(self, path: str | os.PathLike[str], *, ending: str = ".part") -> None:
        self.path = Path(path)
        if not self.path.parent.is_dir():
            raise FileNotFoundError(f"{self.path}: the folder {self.path.parent} does not exist")
        if self.path.is_dir() and not self.path.is_symlink():
            raise IsADirectoryError(f"{self.path} is a folder; give the name of a file to write")
        self.temporary = self.path.with_name(temporary_name(self.path.name, ending))
        with self.named():
            self.file: IO[bytes] = open(self.temporary, "xb")  # noqa: SIM115 (closed by commit and discard)

    def commit(self) -> None:
        """Flush the file to the disk and put it in place."""
        with self.named():
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()
            if self.path.is_file() and not self.path.is_symlink():
                shutil.copymode(self.path, self.temporary)
            os.replace(self.temporary, self.path)

    def discard(self) -> None:
        """Remove the temporary file, if it is still there."""
        with contextlib.suppress(OSError):  # what could not be flushed goes with the file
            self.file.close()
        self.temporary.unlink(missing_ok=True)

    @contextlib.contextmanager
    def named(self) -> Iterator[None]:
        """Say of an OSError which file it is about, and that nothing was left behind."""
        try:
            yield
        except OSError as error:
            told = f"{self.path} could not be written ({error.strerror or error}); nothing was left behind"
            raise type(error)(told) from error


@contextlib.contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A binary file to write to, which is `path` once the block has ended; see `Part`.

    If the block raises (an interrupt included), the temporary file is removed.
    """
    part = Part(path)
    try:
        with part.named():
            yield part.file
        part.commit()
    finally:
        part.discard()


def write_whole(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to a file as `writing` does."""
    with writing(path) as file:
        file.write(data)
