"""Reads the files that a user names: regular files of bounded size. Nothing here waits or never ends.

A pipe with a name, a socket or a device (`/dev/zero`) in place of a file is an error. The exception is a pipe
that the shell made for this very command, `/dev/fd/63` of `<(…)`, where the caller allows it.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import BinaryIO

LARGEST = 1 << 30  # bytes, of files whose reader states no other limit
_PIECE = 1 << 20  # bytes that are read from a pipe at a time
_SHELL_PIPE = re.compile(r"/dev/(stdin|fd/\d+)|/proc/self/fd/\d+")


def read_file(path: str | os.PathLike[str], *, limit: int = LARGEST, pipes: bool = False) -> bytes:
    """All bytes of a regular file; of a pipe of the shell (`<(…)`), too, if `pipes` allows it.

    Raises FileNotFoundError or another OSError, which names the path; ValueError for anything but a file, and
    for more than `limit` bytes.
    """
    path = Path(path)
    if "\0" in str(path):
        raise ValueError(f"{str(path)!r}: expected the name of a file, found one with a zero byte")
    if pipes and _SHELL_PIPE.fullmatch(str(path)):
        with open(path, "rb") as file:
            return read_up_to(file, limit, path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: expected a file, found {nothing_there(path)}")
    if not path.is_file():
        raise _not_a_file(path)
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    with open(os.open(path, flags), "rb") as file:  # checked again once open: it may have been exchanged
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise _not_a_file(path)
        if found.st_size > limit:
            raise _too_large(path, limit, str(found.st_size))
        return read_up_to(file, limit, path)


def read_text(path: str | os.PathLike[str], *, limit: int = LARGEST, pipes: bool = False) -> str:
    """The text of a file: UTF-8, or UTF-16 with its byte order mark, as PowerShell writes it. Raises what
    `read_file` raises, and ValueError for other bytes."""
    data = read_file(path, limit=limit, pipes=pipes)
    try:
        return data.decode(encoding_of(data))
    except UnicodeDecodeError as error:
        found = f"the byte 0x{data[error.start]:02x} at offset {error.start}"
        raise ValueError(f"{path}: expected text in UTF-8, found {found}") from error


def encoding_of(data: bytes) -> str:
    """The encoding that the first bytes of a text say; UTF-8 without a byte order mark."""
    if data.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return "utf-32"
    return "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"


def nothing_there(path: str | os.PathLike[str]) -> str:
    """Why there is nothing at a path, for behind the word "found"."""
    if not os.path.islink(path):
        return "nothing there"
    target = os.readlink(path)
    try:
        os.stat(path)
    except FileNotFoundError:
        return f"a link to {target}, which does not exist"
    except OSError as error:
        return f"a link to {target}, which leads nowhere ({error.strerror})"
    return "nothing there"


def why_unreadable(path: str | os.PathLike[str], error: OSError) -> str:
    """Why `read_file` could not open the file, in a few words, without its name."""
    found = nothing_there(path)
    return error.strerror or ("No such file or directory" if found == "nothing there" else found)


def kind_of_special(path: str | os.PathLike[str]) -> str:
    """What a file that is neither regular nor a folder is, such as "a pipe"; empty for others."""
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


def read_up_to(file: BinaryIO, limit: int, path: str | os.PathLike[str]) -> bytes:
    """All bytes of an open file; ValueError, which names `path`, for more than `limit`."""
    data = bytearray()
    while piece := file.read(min(_PIECE, limit + 1 - len(data))):
        data += piece
        if len(data) > limit:
            raise _too_large(path, limit, "more")
    return bytes(data)


def _too_large(path: str | os.PathLike[str], limit: int, found: str) -> ValueError:
    return ValueError(f"{path}: expected a file of at most {limit} bytes, found {found}")


def _not_a_file(path: Path) -> ValueError:
    return ValueError(f"{path}: expected a file, found {'a folder' if path.is_dir() else 'a special file'}")
