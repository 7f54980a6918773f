"""Detects truncated video files. Compares the size that the container states with the size of the file.

FFmpeg decodes the existing frames of a truncated file and reports no error.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from ..image.formats import QUICKTIME_BOXES

_SEGMENT = b"\x18\x53\x80\x67"  # ID of the Matroska element that contains all frames
_MAX_BOXES = 1_000_000


def missing_bytes(path: Path) -> int:
    """Return the number of missing bytes at the end of an MP4, QuickTime, Matroska, WebM or AVI file.

    Returns 0 if the file is complete, or if its format does not state a size.
    """
    size = path.stat().st_size
    with open(path, "rb") as file:
        head = file.read(64)
        if head[4:8] == b"ftyp" or head[4:8] in QUICKTIME_BOXES:
            end = _end_of_boxes(file, size)
        elif head.startswith(b"\x1a\x45\xdf\xa3"):
            end = _end_of_segment(head)
        elif head.startswith(b"RIFF"):
            end = 8 + int.from_bytes(head[4:8], "little")
        else:
            end = 0
    return max(0, end - size)


def _end_of_boxes(file: BinaryIO, size: int) -> int:
    """Return the offset at which the last box of an MP4 file should end.

    It is the sum of the lengths of all boxes.
    """
    at = 0
    for _ in range(_MAX_BOXES):
        if at >= size:
            break
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return at + 8
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length < 8:  # 0: the box ends at the end of the file; 2 to 7 are invalid
            return at
        at += length
    return at


def _end_of_segment(head: bytes) -> int:
    """Return the offset at which the Matroska segment should end.

    Return 0 if the file does not state the length, as in a live recording.
    """
    at = 4
    length, at = _number(head, at)
    at += length  # after the header
    if head[at : at + 4] != _SEGMENT:
        return 0
    width = 9 - head[at + 4].bit_length() if len(head) > at + 4 else 0
    length, start = _number(head, at + 4)
    unknown = width and length == (1 << 7 * width) - 1
    return 0 if unknown or not length else start + length


def _number(data: bytes, at: int) -> tuple[int, int]:
    """Return an EBML number of variable length and the offset after it. Return 0 for an invalid number."""
    if at >= len(data) or not data[at]:
        return 0, at
    width = 9 - data[at].bit_length()
    value = int.from_bytes(data[at : at + width], "big") & ((1 << 7 * width) - 1)
    return value, at + width
