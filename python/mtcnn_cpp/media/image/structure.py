"""Parses PNG, GIF, WebP and TIFF files. Counts their images, and detects truncated and damaged files.

OpenCV reads some truncated or damaged files without an error. Older versions fill the missing rows with gray.
An animation ends before its damaged frame. For a damaged animated PNG, OpenCV returns wrong pixels. The
functions in this module detect such files from their structure.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Literal

from ..._util.errors import MtcnnError
from . import jpeg
from .formats import PNG_SIGNATURE

_WEBP_ANIMATION, WEBP_EXIF = 0x02, 0x08  # flags in the header of an extended WebP file
_INFLATE_STEP = 1 << 20  # bytes

_MAX_PAGES = 1_000_000
_MAX_TAGS = 1000
_SHORT = 3  # TIFF type of a 16-bit number
_SUBFILE_TYPE, _SUB_IFDS, _DNG_VERSION, _PHOTOMETRIC = 254, 330, 50706, 262
_RAW_PHOTOMETRIC = {32803, 34892}  # color filter array, linear raw


def is_truncated(data: bytes) -> bool:
    """Return whether a PNG or JPEG file is truncated, that is, has no end marker.

    Return False for other formats, because OpenCV checks them.
    """
    if data.startswith(PNG_SIGNATURE):
        return all(kind != b"IEND" for kind, _ in png_chunks(data))
    return data.startswith(b"\xff\xd8") and jpeg.find_end(data) is None


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Yield for each PNG chunk its kind and the offset of its content. Yield nothing for other files."""
    at = len(PNG_SIGNATURE) if data.startswith(PNG_SIGNATURE) else len(data)
    while at + 12 <= len(data):
        yield data[at + 4 : at + 8], at + 8
        at += 12 + int.from_bytes(data[at : at + 4], "big")


# Animations


def is_animated_png(data: bytes) -> bool:
    """Return whether the file is an animated PNG (APNG)."""
    return _count_png_frames(data) > 0


def is_animated_webp(data: bytes) -> bool:
    """Return whether the file is an animated WebP."""
    return has_webp_flag(data, _WEBP_ANIMATION)


def has_webp_flag(data: bytes, flag: int) -> bool:
    """Return whether the file is a WebP with this flag in its header."""
    return data[8:16] == b"WEBPVP8X" and len(data) > 20 and bool(data[20] & flag)


def count_frames(data: bytes) -> int:
    """Return the number of frames of a GIF, animated PNG or animated WebP file. Return 0 for other files."""
    if data.startswith(b"GIF8"):
        return _count_gif_frames(data)
    return _count_webp_frames(data) if is_animated_webp(data) else _count_png_frames(data)


def _count_png_frames(data: bytes) -> int:
    for kind, at in png_chunks(data):
        if kind == b"acTL":
            return int.from_bytes(data[at : at + 4], "big")
        if kind == b"IDAT":
            break
    return 0


def _count_webp_frames(data: bytes) -> int:
    count, at = 0, 12
    while at + 8 <= len(data):
        count += data[at : at + 4] == b"ANMF"
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + length + length % 2
    return count


def _count_gif_frames(data: bytes) -> int:
    """Count image blocks up to the trailer or the first invalid block."""
    count, at = 0, 13 + _gif_table_size(data, 10)
    while at < len(data):
        if data[at] == 0x21:  # extension
            at += 2
        elif data[at] == 0x2C:  # image
            count += 1
            at += 11 + _gif_table_size(data, at + 9)
        else:
            break
        while at < len(data) and data[at]:  # data sub-blocks
            at += 1 + data[at]
        at += 1
    return count


def _gif_table_size(data: bytes, flags_at: int) -> int:
    """Return the size of a color table in bytes, from its flags."""
    flags = data[flags_at] if flags_at < len(data) else 0
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


# Damage in animated PNG files


def is_damaged_png(data: bytes) -> bool:
    """Return whether a PNG file has a wrong checksum or image data that cannot be decompressed."""
    images: list[list[bytes]] = []
    for kind, content, is_intact in _checked_chunks(data):
        if not is_intact:
            return True
        if kind == b"fcTL" or not images:
            images.append([])
        if kind in (b"IDAT", b"fdAT"):
            images[-1].append(content if kind == b"IDAT" else content[4:])
    return not all(_is_complete_stream(image) for image in images if image)


def _checked_chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bool]]:
    """Yield for each chunk its kind, its content, and whether it is complete and its checksum is correct."""
    for kind, at in png_chunks(data):
        end = at + int.from_bytes(data[at - 8 : at - 4], "big")
        content = data[at:end]
        checksum = zlib.crc32(content, zlib.crc32(kind)).to_bytes(4, "big")
        yield kind, content, data[end : end + 4] == checksum
        if kind == b"IEND":
            return  # the following bytes are not part of the image


def _is_complete_stream(parts: list[bytes]) -> bool:
    """Return whether the parts form a complete zlib stream with a correct checksum."""
    stream = zlib.decompressobj()
    try:
        for part in parts:
            remaining = part
            while remaining:
                stream.decompress(remaining, _INFLATE_STEP)
                remaining = stream.unconsumed_tail
    except zlib.error:
        return False
    return stream.eof


# Directories of TIFF files


class TiffError(MtcnnError, ValueError):
    """A directory lies outside the file, or the chain of directories has no end."""


def count_tiff_pages(data: bytes) -> int:
    """Return the number of images (directories) of a TIFF file.

    Raises `TiffError` for invalid directories.
    """
    return sum(1 for _ in _tiff_directories(_TiffReader(data)))


def is_raw_tiff(data: bytes) -> bool:
    """Return whether a TIFF file is a raw photo (DNG, CR2, NEF, ARW, …).

    The first image of a raw photo is a thumbnail or undeveloped sensor data. Returns False for a damaged
    file.
    """
    if data[:2] == b"II" and data[8:10] == b"CR":
        return True
    try:
        tags = _first_tiff_tags(_TiffReader(data))
    except TiffError:
        return False
    thumbnail_first = bool(tags.get(_SUBFILE_TYPE, 0) & 1) and _SUB_IFDS in tags
    return _DNG_VERSION in tags or tags.get(_PHOTOMETRIC) in _RAW_PHOTOMETRIC or thumbnail_first


class _TiffReader:
    """Reads numbers from a TIFF or BigTIFF file. The two formats have fields of different sizes."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
        is_big = data[2:4] in (b"+\0", b"\0+")
        self.header, self.count, self.entry, self.offset = (8, 8, 20, 8) if is_big else (4, 2, 12, 4)

    def number(self, at: int, length: int) -> int:
        if not 0 <= at <= len(self._data) - length:
            raise TiffError("a directory of the TIFF file lies after the end of the file")
        return int.from_bytes(self._data[at : at + length], self._order)


def _tiff_directories(file: _TiffReader) -> Iterator[tuple[int, int]]:
    """Yield for each directory the offset of its first entry and its number of entries."""
    at, visited = file.number(file.header, file.offset), set[int]()
    while at:
        if at in visited or len(visited) >= _MAX_PAGES:
            raise TiffError("the chain of directories of the TIFF file has no end")
        visited.add(at)
        count = file.number(at, file.count)
        first = at + file.count
        at = file.number(first + file.entry * count, file.offset)
        yield first, count


def _first_tiff_tags(file: _TiffReader) -> dict[int, int]:
    """Return the tags of the first directory. Each value is read as a single number."""
    tags: dict[int, int] = {}
    for first, count in _tiff_directories(file):
        for field in range(first, first + file.entry * min(count, _MAX_TAGS), file.entry):
            size = 2 if file.number(field + 2, 2) == _SHORT else 4
            tags[file.number(field, 2)] = file.number(field + 4 + file.offset, size)
        break
    return tags
