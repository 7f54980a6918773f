"""Parses the structure of JPEG files (ITU-T T.81, annex B). Finds markers, and all images of a file."""

from __future__ import annotations

import re
from collections.abc import Iterator

# Before a marker, there may be any number of fill bytes 0xFF (B.1.1.2). 0xFF 0x00 is not a marker: it is a
# byte of entropy-coded data.
_MARKER = re.compile(rb"\xff([^\x00\xff])")
_SOI, _EOI, _SOS, _APP2 = 0xD8, 0xD9, 0xDA, 0xE2
_STANDALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a segment: TEM, RST0 to RST7, SOI
_FRAME_HEADERS = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15
_ZEROS = re.compile(rb"\0*")
_GAIN_MAP = re.compile(rb"hdrgm|hdrgainmap|urn:iso:std:iso:ts:21496", re.IGNORECASE)
_MULTI_FRAME = 0x02  # MP type: panorama, disparity, multi-angle (CIPA DC-007)


def markers(data: bytes, start: int = 0) -> Iterator[tuple[int, int, int]]:
    """Yield the markers of the JPEG stream at `start` up to its EOI marker or the end of the data.

    Each item is the code, the offset of the segment's content, and the offset after the segment.
    """
    at = start + 2
    while (found := _MARKER.search(data, at)) is not None:
        code, at = found[1][0], found.end()
        if code in _STANDALONE or code == _EOI:
            yield code, at, at
            if code == _EOI:
                return
            continue
        length = int.from_bytes(data[at : at + 2], "big")
        yield code, at + 2, at + length
        at += length


def find_end(data: bytes, start: int = 0) -> int | None:
    """Return the offset after the EOI marker of the JPEG stream at `start`, or None if it is truncated."""
    return next((end for code, _, end in markers(data, start) if code == _EOI), None)


def find_images(data: bytes) -> tuple[list[tuple[int, int]], int]:
    """Return the byte range (start, end) of each image, and the number of missing or truncated images.

    The first image is always included. A later image is included only if it has the same size as the first
    image and is not a gain map. Therefore, the frames of MPO files and of concatenated JPEG files (Motion
    JPEG) are included. Thumbnails, depth maps and gain maps are not included.
    """
    index = _read_mpo_index(data)
    first_end = find_end(data) or len(data)
    # Do not use only the index, but also search for JPEG streams, because Pillow writes wrong offsets for the
    # fourth and later images of an MPO file.
    starts = {start for _, start in index if start and _is_start(data, start)}
    starts |= set(_find_concatenated(data, first_end))
    size = _size(data, 0)
    found, truncated = [(0, first_end)], 0
    for start in sorted(starts):
        if _size(data, start) in (size, b"") and not _is_gain_map(data, start):
            end = find_end(data, start)
            truncated += end is None
            if end is not None:
                found.append((start, end))
    missing = max(0, len(index) - 1 - len(starts))
    # If one image exists and one is missing, the missing image is a gain map, which many programs remove.
    is_frame = missing > 1 or len(found) > 1 or truncated or any(kind == _MULTI_FRAME for kind, _ in index)
    return found, truncated + (missing if is_frame else 0)


def _find_concatenated(data: bytes, at: int) -> Iterator[int]:
    """Yield the offsets of consecutive JPEG streams from `at` on.

    Only zero bytes may lie between two streams.
    """
    end: int | None = at
    while end is not None and (start := _ZEROS.match(data, end).end()) < len(data):  # type: ignore[union-attr]
        if not _is_start(data, start):
            return
        yield start
        end = find_end(data, start)


def _is_start(data: bytes, at: int) -> bool:
    return data[at : at + 3] == b"\xff\xd8\xff"


def _size(data: bytes, start: int) -> bytes:
    """Return the bytes of height and width in the frame header. Return b"" if there is no frame header."""
    for code, content, _ in markers(data, start):
        if code in _FRAME_HEADERS:
            return data[content + 1 : content + 5]
        if code == _SOS:
            break
    return b""


def _is_gain_map(data: bytes, start: int) -> bool:
    """Return whether the metadata of the image at `start` state that it is a gain map for HDR displays."""
    for code, content, end in markers(data, start):
        if code == _SOS:
            return False
        if 0xE0 <= code <= 0xEF and _GAIN_MAP.search(data, content, end):
            return True
    return False


def _read_mpo_index(data: bytes) -> list[tuple[int, int]]:
    """Read the index of an MPO file (APP2 segment "MPF"). Return the kind and offset of each image in it."""
    for code, content, end in markers(data):
        if code == _SOS:
            break
        if code == _APP2 and data[content : content + 4] == b"MPF\0":
            return _parse_mpo_index(data[content + 4 : end], content + 4)
    return []


def _parse_mpo_index(index: bytes, base: int) -> list[tuple[int, int]]:
    order = "little" if index[:2] == b"II" else "big"

    def number(at: int, size: int) -> int:
        return int.from_bytes(index[at : at + size], order)  # type: ignore[arg-type]  # one of the two

    at = number(4, 4)
    for field in range(at + 2, at + 2 + 12 * min(number(at, 2), 64), 12):
        if number(field, 2) == 0xB002:
            count, first = number(field + 4, 4) // 16, number(field + 8, 4)
            rows = range(first, min(first + 16 * count, len(index) - 15), 16)
            offsets = [(number(row, 4) >> 16 & 0xFF, number(row + 8, 4)) for row in rows]
            return [(kind, base + offset if offset else 0) for kind, offset in offsets]
    return []
