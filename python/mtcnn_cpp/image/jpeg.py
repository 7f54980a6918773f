"""Markers of JPEG files (ITU-T T.81, annex B), and the images in a file that holds several."""

from __future__ import annotations

import re
from collections.abc import Iterator

# Any number of fill bytes 0xFF may precede a marker (B.1.1.2); 0xFF 0x00 is a byte of entropy-coded data.
_MARKER = re.compile(rb"\xff([^\x00\xff])")
_SOI, _EOI, _SOS, _APP2 = 0xD8, 0xD9, 0xDA, 0xE2
_ALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a segment: TEM, RST0 to RST7, SOI
_FRAME = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0 to SOF15
_ZEROS = re.compile(rb"\0*")
_GAIN_MAP = re.compile(rb"hdrgm|hdrgainmap|urn:iso:std:iso:ts:21496", re.IGNORECASE)
_MULTI_FRAME = 0x02  # MP type: panorama, disparity, multi-angle (CIPA DC-007)


def markers(data: bytes, start: int = 0) -> Iterator[tuple[int, int, int]]:
    """The markers of the JPEG stream that begins at `start`: code, offset of the segment's content, offset
    behind the segment. Ends behind the first EOI, or where the data end."""
    at = start + 2
    while (found := _MARKER.search(data, at)) is not None:
        code, at = found[1][0], found.end()
        if code in _ALONE or code == _EOI:
            yield code, at, at
            if code == _EOI:
                return
            continue
        length = int.from_bytes(data[at : at + 2], "big")
        yield code, at + 2, at + length
        at += length


def end_of(data: bytes, start: int = 0) -> int | None:
    """The offset behind the end marker of the JPEG stream at `start`; None if the stream is truncated."""
    return next((end for code, _, end in markers(data, start) if code == _EOI), None)


def images(data: bytes) -> tuple[list[tuple[int, int]], int]:
    """Where the images of a complete JPEG file lie (start, end), and the number of announced images that are
    missing or truncated.

    Images behind the first one count if they have its size and are no gain map: the frames of MPO files, and
    JPEG files joined without a container (Motion JPEG). Thumbnails, depth maps and gain maps are left out.
    """
    index = _index(data)
    first_end = end_of(data) or len(data)
    # Pillow writes wrong offsets for the fourth and later images of an MPO file; so streams count as well.
    starts = {start for _, start in index if start and _begins(data, start)} | set(_joined(data, first_end))
    size = _size(data, 0)
    found, truncated = [(0, first_end)], 0
    for start in sorted(starts):
        if _size(data, start) in (size, b"") and not _is_gain_map(data, start):
            end = end_of(data, start)
            truncated += end is None
            if end is not None:
                found.append((start, end))
    missing = max(0, len(index) - 1 - len(starts))
    # A single missing image beside a single one is a gain map, which many programs cut off.
    is_frame = missing > 1 or len(found) > 1 or truncated or any(kind == _MULTI_FRAME for kind, _ in index)
    return found, truncated + (missing if is_frame else 0)


def _joined(data: bytes, at: int) -> Iterator[int]:
    """Where JPEG streams begin that follow each other, with nothing or zeros between them."""
    end: int | None = at
    while end is not None and (start := _ZEROS.match(data, end).end()) < len(data):  # type: ignore[union-attr]
        if not _begins(data, start):
            return
        yield start
        end = end_of(data, start)


def _begins(data: bytes, at: int) -> bool:
    return data[at : at + 3] == b"\xff\xd8\xff"


def _size(data: bytes, start: int) -> bytes:
    """Height and width as the frame header has them; empty without one."""
    for code, content, _ in markers(data, start):
        if code in _FRAME:
            return data[content + 1 : content + 5]
        if code == _SOS:
            break
    return b""


def _is_gain_map(data: bytes, start: int) -> bool:
    """Whether the image at `start` says in its metadata that it is a gain map for HDR displays."""
    for code, content, end in markers(data, start):
        if code == _SOS:
            return False
        if 0xE0 <= code <= 0xEF and _GAIN_MAP.search(data, content, end):
            return True
    return False


def _index(data: bytes) -> list[tuple[int, int]]:
    """The images that the index of an MPO file (APP2, "MPF") names: kind and offset of each."""
    for code, content, end in markers(data):
        if code == _SOS:
            break
        if code == _APP2 and data[content : content + 4] == b"MPF\0":
            return _entries(data[content + 4 : end], content + 4)
    return []


def _entries(index: bytes, base: int) -> list[tuple[int, int]]:
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
