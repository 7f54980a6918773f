"""The mark of our own drawings in PNG, JPEG and MP4 files: what bears it may be replaced, and is no input."""

from __future__ import annotations

import os
from typing import BinaryIO

from .png import SIGNATURE, chunk

WORDS = b"mtcnn_cpp drawing"
_TEXT = chunk(b"tEXt", b"Software\0" + WORDS)  # PNG: a chunk behind the header
_COMMENT = b"\xff\xfe" + (2 + len(WORDS)).to_bytes(2, "big") + WORDS  # JPEG: a segment behind JFIF's own
_FREE = (8 + len(WORDS)).to_bytes(4, "big") + b"free" + WORDS  # MP4: a box at the end, which players skip

_BEHIND_HEADER = len(SIGNATURE) + 25
HEAD = 128  # bytes that hold the mark of a picture


def mark(picture: bytes) -> bytes:
    """The PNG or JPEG file with the mark in it; the pixels stay as they are. ValueError for another file."""
    at = _place(picture)
    if at is None:
        raise ValueError(f"only PNG and JPEG files can be marked, got one that begins with {picture[:8]!r}")
    return picture[:at] + (_TEXT if at == _BEHIND_HEADER else _COMMENT) + picture[at:]


def video_mark() -> bytes:
    """What is appended to a complete MP4 file to mark it."""
    return _FREE


def is_marked(path: str | os.PathLike[str]) -> bool:
    """Whether the file is a PNG, JPEG or MP4 that bears the mark; False where it cannot be read.

    Reads a few bytes at the beginning, and of an MP4 at the end.
    """
    try:
        if not os.path.isfile(path):  # a pipe would wait
            return False
        with open(path, "rb") as file:
            return bears_mark(file, file.read(HEAD))
    except OSError:
        return False


def bears_mark(file: BinaryIO, head: bytes) -> bool:
    """The same of an open file that begins with `head`, 128 bytes or more of it if there are so many."""
    if head[4:8] == b"ftyp":
        file.seek(-len(_FREE), os.SEEK_END)
        return file.read() == _FREE
    at = _place(head)
    return at is not None and head[at:].startswith((_TEXT, _COMMENT))


def _place(picture: bytes) -> int | None:
    """Where the mark belongs; None in what is neither PNG nor JPEG."""
    if picture.startswith(SIGNATURE):
        return _BEHIND_HEADER
    if not picture.startswith(b"\xff\xd8\xff"):
        return None
    jfif = picture[3:4] == b"\xe0"  # this segment has to be the first
    return 4 + int.from_bytes(picture[4:6], "big") if jfif else 2
