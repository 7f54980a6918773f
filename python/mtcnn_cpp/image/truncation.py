"""Detects image files that end before their end. (Older OpenCV fills what is missing with grey.)"""

from __future__ import annotations

from collections.abc import Iterator

from . import jpeg

_PNG = b"\x89PNG\r\n\x1a\n"


def is_truncated(data: bytes) -> bool:
    """Whether a PNG or JPEG file has no end. Other formats: False, since OpenCV reports an error for them."""
    if data.startswith(_PNG):
        return all(kind != b"IEND" for kind, _ in png_chunks(data))
    return data.startswith(b"\xff\xd8") and jpeg.end_of(data) is None


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Kind, and offset of its content, of each chunk of a PNG file, up to the end of the data; none
    for other files."""
    at = len(_PNG) if data.startswith(_PNG) else len(data)
    while at + 12 <= len(data):
        yield data[at + 4 : at + 8], at + 8
        at += 12 + int.from_bytes(data[at : at + 4], "big")
