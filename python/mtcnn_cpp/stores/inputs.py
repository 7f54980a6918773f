"""Files in a store as inputs."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from .address import Address, checked, masked, parse
from .errors import code_of, told
from .patterns import literal_part, matcher
from .system import system


def list_files(address: str) -> list[str]:
    """The addresses of all files below a folder, or of those that fit a pattern, sorted; a file is itself.

    In a pattern `*` stands for any signs and `?` for one, but a slash, `[abc]` for one of these, `**` between
    slashes for any folders. An address that is a file or a folder, signs and all, is no pattern.
    FileNotFoundError if there is nothing.
    """
    whole = parse(address)
    files = system(whole)
    fits = matcher(whole.path)
    with told(whole):
        kind = _kind(files, whole)
        if kind == "file" and not address.endswith("/"):
            return [str(whole)]
        inside = _below(files, whole, None) if kind else []
        if inside or kind == "directory":
            return [str(file) for file in inside]
        if fits is None:
            raise FileNotFoundError
        root = checked(Address(whole.scheme, literal_part(whole.path)))
        depth = whole.path[len(root.path) :].strip("/").count("/") + 1
        found = [
            str(file)
            for file in _below(files, root, None if "**" in whole.path else depth)
            if fits(file.path)
        ]
    if not found:
        raise FileNotFoundError(f"{masked(address)}: no file fits this pattern")
    return found


def read_file(address: str) -> bytes:
    """What is in a file."""
    where = parse(address)
    files = system(where)
    with told(where):
        return bytes(files.cat_file(str(where)))


@contextlib.contextmanager
def local_copy(address: str) -> Iterator[Path]:
    """The path of a copy on this machine, for readers that need one. It ends like the address, only this user
    can read it, and it is removed when the block ends."""
    where = parse(address)
    files = system(where)
    with tempfile.TemporaryDirectory(prefix="mtcnn-cpp-") as folder:  # of this user alone
        path = Path(folder) / ("copy" + re.sub(r"[^\w.]", "_", PurePosixPath(where.path).suffix)[:32])
        with told(where):
            files.get_file(str(where), str(path))
            if not path.is_file():
                raise IsADirectoryError("this is a folder; give the address of a file")
        yield path


def _kind(files: Any, address: Address) -> str | None:
    """What is there: a file, a directory, or None."""
    try:
        return str(files.info(str(address))["type"])
    except FileNotFoundError as error:
        if code_of(error) == "NoSuchBucket":
            raise
        return None


def _below(files: Any, root: Address, depth: int | None) -> list[Address]:
    """All files below a folder, so many floors deep."""
    start = files._strip_protocol(str(root)).rstrip("/")
    found = files.find(str(root), maxdepth=depth)
    inside = [str(name)[len(start) :].lstrip("/") for name in found if not str(name).endswith("/")]
    return sorted(
        (Address(root.scheme, f"{root.path}/{name}" if root.path else name) for name in inside if name),
        key=str,
    )
