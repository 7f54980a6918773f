"""The directories of a TIFF file: how many images it holds, and whether it is a raw photo."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_MOST_PAGES = 1_000_000
_MOST_TAGS = 1000
_SHORT = 3  # type of a 16-bit number
_SUBFILE_TYPE, _SUB_IFDS, _DNG_VERSION, _PHOTOMETRIC = 254, 330, 50706, 262
_RAW_PHOTOMETRIC = {32803, 34892}  # colour filter array, linear raw


class TiffError(ValueError):
    """A directory that lies outside the file, or a chain of directories without an end."""


def count_pages(data: bytes) -> int:
    """The number of images (directories) of a TIFF file. TiffError if the chain is broken."""
    return sum(1 for _ in _directories(_File(data)))


def is_raw(data: bytes) -> bool:
    """Whether the content is a camera's raw photo (DNG, CR2, NEF, ARW and others): its first image is a
    thumbnail, or not developed. False for a damaged file."""
    if data[:2] == b"II" and data[8:10] == b"CR":
        return True
    try:
        tags = _tags(_File(data))
    except TiffError:
        return False
    thumbnail_first = bool(tags.get(_SUBFILE_TYPE, 0) & 1) and _SUB_IFDS in tags
    return _DNG_VERSION in tags or tags.get(_PHOTOMETRIC) in _RAW_PHOTOMETRIC or thumbnail_first


class _File:
    """Numbers at offsets, and the sizes of fields: BigTIFF has longer ones."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
        big = data[2:4] in (b"+\0", b"\0+")
        self.head, self.count_size, self.entry, self.word = (8, 8, 20, 8) if big else (4, 2, 12, 4)

    def number(self, at: int, length: int) -> int:
        if not 0 <= at <= len(self._data) - length:
            raise TiffError("a directory of the TIFF file lies behind its end")
        return int.from_bytes(self._data[at : at + length], self._order)


def _directories(file: _File) -> Iterator[tuple[int, int]]:
    """Offset of the first entry, and number of entries, of each directory in the chain."""
    at, seen = file.number(file.head, file.word), set[int]()
    while at:
        if at in seen or len(seen) >= _MOST_PAGES:
            raise TiffError("the directories of the TIFF file have no end")
        seen.add(at)
        count = file.number(at, file.count_size)
        first = at + file.count_size
        at = file.number(first + file.entry * count, file.word)
        yield first, count


def _tags(file: _File) -> dict[int, int]:
    """The tags of the first directory, with the value of those that hold one number."""
    tags: dict[int, int] = {}
    for first, count in _directories(file):
        for field in range(first, first + file.entry * min(count, _MOST_TAGS), file.entry):
            size = 2 if file.number(field + 2, 2) == _SHORT else 4
            tags[file.number(field, 2)] = file.number(field + 4 + file.word, size)
        break
    return tags
