"""Detects image files that end before their end. (Older OpenCV fills what is missing with grey.)"""

from __future__ import annotations

from collections.abc import Iterator

from . import jpeg

_PNG = b"\x89PNG\r\n\x1a\n"


def is_truncated(data: bytes) -> bool:
    """Whether a PNG or JPEG file has no end. Other formats: False, since OpenCV reports an error for them."""
    if data.startswith(_PNG):
        return b"IEND" not in chunk_kinds(data)
    return data.startswith(b"\xff\xd8") and jpeg.end_of(data) is None


def is_animated_png(data: bytes) -> bool:
    """Whether the content is a PNG file whose frames follow in chunks of their own (APNG)."""
    return data.startswith(_PNG) and any(kind == b"acTL" for kind in _until_pixels(data))


def chunk_kinds(data: bytes) -> Iterator[bytes]:
    """The kinds of a PNG file's chunks, in order, up to its end or that of the data."""
    at = len(_PNG)
    while at + 12 <= len(data):
        yield data[at + 4 : at + 8]
        at += 12 + int.from_bytes(data[at : at + 4], "big")


def _until_pixels(data: bytes) -> Iterator[bytes]:
    for kind in chunk_kinds(data):
        if kind == b"IDAT":
            return
        yield kind
