"""Whether the end of a video file is missing: sizes that its container states, against the file's own size.

FFmpeg reads what is there of a file that was cut off, and says nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

_SEGMENT = b"\x18\x53\x80\x67"  # Matroska's element that holds all frames
_MOST_BOXES = 1_000_000


def missing_bytes(path: Path) -> int:
    """How many bytes are missing at the end of an MP4, QuickTime, Matroska, WebM or AVI file; 0 where the
    file is whole, or of a kind that does not say how long it is."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        head = file.read(64)
        if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"):
            end = _end_of_boxes(file, size)
        elif head.startswith(b"\x1a\x45\xdf\xa3"):
            end = _end_of_segment(head)
        elif head.startswith(b"RIFF"):
            end = 8 + int.from_bytes(head[4:8], "little")
        else:
            end = 0
    return max(0, end - size)


def _end_of_boxes(file: BinaryIO, size: int) -> int:
    """Where the last box of an MP4 file ends by its own account."""
    at = 0
    for _ in range(_MOST_BOXES):
        if at >= size:
            break
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return at + 8
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length < 8:  # 0: up to the end of the file; else no box
            return at
        at += length
    return at


def _end_of_segment(head: bytes) -> int:
    """Where Matroska's segment ends; 0 where it does not say, as in a live recording."""
    at = 4
    length, at = _number(head, at)
    at += length  # behind the header
    if head[at : at + 4] != _SEGMENT:
        return 0
    width = 9 - head[at + 4].bit_length() if len(head) > at + 4 else 0
    length, behind = _number(head, at + 4)
    unknown = width and length == (1 << 7 * width) - 1
    return 0 if unknown or not length else behind + length


def _number(data: bytes, at: int) -> tuple[int, int]:
    """A number of variable length (EBML), and what follows it; 0 where there is none."""
    if at >= len(data) or not data[at]:
        return 0, at
    width = 9 - data[at].bit_length()
    value = int.from_bytes(data[at : at + width], "big") & ((1 << 7 * width) - 1)
    return value, at + width
