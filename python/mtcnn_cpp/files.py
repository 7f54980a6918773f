"""The one way in which this package writes a file: whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO


@contextlib.contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A binary file to write to, which is `path` once the block has ended.

    It is written under a temporary name in the same folder, flushed to the disk and then renamed. If the
    block raises (an interrupt included), the temporary file is removed and an earlier `path` stays as it was.
    A symbolic link at `path` is replaced; the file that it points to is not touched.

    Raises FileNotFoundError if the folder is missing, IsADirectoryError if `path` is a folder, and another
    OSError, which names `path`, if it cannot be written.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: the folder {path.parent} does not exist")
    if path.is_dir() and not path.is_symlink():
        raise IsADirectoryError(f"{path} is a folder; give the name of a file to write")
    part = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}.part")
    with _named(path):
        file = open(part, "xb")  # noqa: SIM115 (closed below, whatever happens)
    try:
        yield file
        with _named(path):
            file.flush()
            os.fsync(file.fileno())
            file.close()
            if path.is_file() and not path.is_symlink():
                shutil.copymode(path, part)
            os.replace(part, path)
    finally:
        with contextlib.suppress(OSError):  # what could not be flushed goes with the file
            file.close()
        part.unlink(missing_ok=True)


def write_whole(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` to a file as `writing` does."""
    with writing(path) as file, _named(Path(path)):
        file.write(data)


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Say of an OSError which file it is about, and that nothing was left behind."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise type(error)(f"{path} could not be written ({reason}); nothing was left behind") from error
