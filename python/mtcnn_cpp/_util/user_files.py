"""Reads files that the user specifies. They must be regular files of limited size.

Named pipes, sockets and devices (for example `/dev/zero`) raise an error, because reading them may block or
never end. There is one exception: if the caller allows pipes, the pipe of a shell's process substitution
`<(…)` is read. Its name is for example `/dev/fd/63`.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Protocol

MAX_FILE_SIZE = 1 << 30  # bytes; default limit
_BLOCK_SIZE = 1 << 20  # bytes per read call
_SHELL_PIPE = re.compile(r"/dev/(stdin|fd/\d+)|/proc/self/fd/\d+")


def read_file(path: str | os.PathLike[str], *, limit: int = MAX_FILE_SIZE, pipes: bool = False) -> bytes:
    """Return the content of a regular file. If `pipes` is true, a shell's pipe `<(…)` is also allowed.

    An unreadable file raises OSError. A folder, a special file, or a file with more than `limit` bytes raises
    ValueError. The messages name the path.
    """
    path = Path(path)
    if "\0" in str(path):
        raise ValueError(f"{str(path)!r}: expected the name of a file, found a name with a null byte")
    if pipes and _SHELL_PIPE.fullmatch(str(path)):
        with open(path, "rb") as file:
            return read_limited(file, limit, path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: expected a file, found {describe_missing(path)}")
    if not path.is_file():
        raise _not_a_file(path)
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    with open(os.open(path, flags), "rb") as file:  # checked again: the file may have been replaced
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise _not_a_file(path)
        if status.st_size > limit:
            raise _too_large(path, limit, str(status.st_size))
        return read_limited(file, limit, path)


def read_text(path: str | os.PathLike[str], *, limit: int = MAX_FILE_SIZE, pipes: bool = False) -> str:
    """Return the text of a file. UTF-8 is accepted, and UTF-16 and UTF-32 with a byte order mark.

    Raises the errors of `read_file`. Text that is not in one of these encodings raises ValueError.
    """
    data = read_file(path, limit=limit, pipes=pipes)
    try:
        return data.decode(detect_encoding(data))
    except UnicodeDecodeError as error:
        found = f"the byte 0x{data[error.start]:02x} at offset {error.start}"
        raise ValueError(f"{path}: expected text in UTF-8, found {found}") from error


def detect_encoding(data: bytes) -> str:
    """Return the encoding that the byte order mark states, or UTF-8 if there is no byte order mark."""
    if data.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return "utf-32"
    return "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"


def describe_missing(path: str | os.PathLike[str]) -> str:
    """Describe a path at which there is no file, for example "nothing there".

    An error message contains this text after the word "found".
    """
    if not os.path.islink(path):
        return "nothing there"
    target = os.readlink(path)
    try:
        os.stat(path)
    except FileNotFoundError:
        return f"a symbolic link to {target}, which does not exist"
    except OSError as error:
        return f"a symbolic link to {target}, which leads nowhere ({error.strerror})"
    return "nothing there"


def describe_read_error(path: str | os.PathLike[str], error: OSError) -> str:
    """Return a short reason why `read_file` could not open a file.

    The text does not contain the file name.
    """
    missing = describe_missing(path)
    return error.strerror or ("No such file or directory" if missing == "nothing there" else missing)


def special_file_kind(path: str | os.PathLike[str]) -> str:
    """Return the kind of a special file, for example "a pipe". Return "" for regular files and folders."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return ""
    kinds = {
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return kinds.get(stat.S_IFMT(mode), "")


class _Readable(Protocol):
    def read(self, size: int = ..., /) -> bytes: ...


def read_limited(file: _Readable, limit: int, path: str | os.PathLike[str]) -> bytes:
    """Read an open file to its end.

    If it has more than `limit` bytes, raise ValueError with `path` in the message.
    """
    data = bytearray()
    while block := file.read(min(_BLOCK_SIZE, limit + 1 - len(data))):
        data += block
        if len(data) > limit:
            raise _too_large(path, limit, "more")
    return bytes(data)


def _too_large(path: str | os.PathLike[str], limit: int, found: str) -> ValueError:
    return ValueError(f"{path}: expected a file of at most {limit} bytes, found {found}")


def _not_a_file(path: Path) -> ValueError:
    return ValueError(f"{path}: expected a file, found {'a folder' if path.is_dir() else 'a special file'}")
