"""Whether an animated PNG file is damaged: OpenCV then gives pixels that it has not written."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from .truncation import png_chunks

_PIECE = 1 << 20  # bytes that are decompressed at a time


def is_damaged(data: bytes) -> bool:
    """Whether a checksum of an animated PNG file is wrong, or the compressed pixels of an image are."""
    images: list[list[bytes]] = []
    for kind, content, is_right in _chunks(data):
        if not is_right:
            return True
        if kind == b"fcTL" or not images:
            images.append([])
        if kind in (b"IDAT", b"fdAT"):
            images[-1].append(content if kind == b"IDAT" else content[4:])
    return not all(_is_whole(image) for image in images if image)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bool]]:
    """Kind and content of each chunk, and whether it is whole and its checksum right."""
    for kind, at in png_chunks(data):
        end = at + int.from_bytes(data[at - 8 : at - 4], "big")
        content = data[at:end]
        checksum = zlib.crc32(content, zlib.crc32(kind)).to_bytes(4, "big")
        yield kind, content, data[end : end + 4] == checksum
        if kind == b"IEND":
            return  # bytes behind it are not part of the image


def _is_whole(pieces: list[bytes]) -> bool:
    """Whether these are one compressed stream, up to its end and its checksum."""
    stream = zlib.decompressobj()
    try:
        for piece in pieces:
            left = piece
            while left:
                stream.decompress(left, _PIECE)
                left = stream.unconsumed_tail
    except zlib.error:
        return False
    return stream.eof
