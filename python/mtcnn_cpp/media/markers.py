"""The metadata marker that this package writes into its PNG, JPEG and MP4 files.

A file with the marker may be replaced, and it is not read as an input.
"""

from __future__ import annotations

import os
import zlib
from typing import BinaryIO

from .image.formats import PNG_SIGNATURE

MARKER = b"mtcnn_cpp drawing"
_PNG_CONTENT = b"tEXt" + b"Software\0" + MARKER
_PNG_CHUNK = (
    (len(_PNG_CONTENT) - 4).to_bytes(4, "big") + _PNG_CONTENT + zlib.crc32(_PNG_CONTENT).to_bytes(4, "big")
)
_JPEG_SEGMENT = b"\xff\xfe" + (2 + len(MARKER)).to_bytes(2, "big") + MARKER  # comment, after the JFIF segment
_MP4_BOX = (8 + len(MARKER)).to_bytes(4, "big") + b"free" + MARKER  # at the end; players ignore it

_AFTER_PNG_HEADER = len(PNG_SIGNATURE) + 25
HEAD_BYTES = 128  # bytes at the start of an image file that contain the marker


def add_marker(data: bytes) -> bytes:
    """Insert the marker into the content of a PNG or JPEG file; the pixels stay unchanged.

    Raises ValueError for other files.
    """
    at = _marker_offset(data)
    if at is None:
        raise ValueError(f"only PNG and JPEG files can be marked, got one that begins with {data[:8]!r}")
    return data[:at] + (_PNG_CHUNK if at == _AFTER_PNG_HEADER else _JPEG_SEGMENT) + data[at:]


def video_marker() -> bytes:
    """Return the bytes that mark an MP4 file when they are appended to it."""
    return _MP4_BOX


def has_marker(path: str | os.PathLike[str]) -> bool:
    """Return whether a file is a PNG, JPEG or MP4 file with the marker. Return False if it cannot be read.

    The function reads only a few bytes at the start of the file. In an MP4 file, it also reads a few bytes at
    the end.
    """
    try:
        if not os.path.isfile(path):  # a pipe would block
            return False
        with open(path, "rb") as file:
            return file_has_marker(file, file.read(HEAD_BYTES))
    except OSError:
        return False


def file_has_marker(file: BinaryIO, head: bytes) -> bool:
    """Return whether an open file has the marker.

    `head` is the first `HEAD_BYTES` bytes of the file, or the whole file if it is shorter.
    """
    if head[4:8] == b"ftyp":
        file.seek(-len(_MP4_BOX), os.SEEK_END)
        return file.read() == _MP4_BOX
    at = _marker_offset(head)
    return at is not None and head[at:].startswith((_PNG_CHUNK, _JPEG_SEGMENT))


def _marker_offset(data: bytes) -> int | None:
    """Return the offset of the marker in a PNG or JPEG file; None for other files."""
    if data.startswith(PNG_SIGNATURE):
        return _AFTER_PNG_HEADER
    if not data.startswith(b"\xff\xd8\xff"):
        return None
    has_jfif = data[3:4] == b"\xe0"  # the JFIF segment has to be the first one
    return 4 + int.from_bytes(data[4:6], "big") if has_jfif else 2
