"""Reads facts from containers that the readers do not report: the size of the file, and the codec.

FFmpeg decodes the existing frames of a truncated file and reports no error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ..image.formats import QUICKTIME_BOXES

_SEGMENT = b"\x18\x53\x80\x67"  # ID of the Matroska element that contains all frames
_MAX_BOXES = 1_000_000
_MATROSKA_HEAD = 1 << 18  # bytes in which the names of codecs are searched
_CODEC_ID = re.compile(rb"\x86[\x82-\xbf](V_[A-Z0-9_/]+)")
_COVER_CODECS = ("MJPG", "MPNG")
_IMAGE_TRACKS = ("jpeg", "mjpa", "mjpb", "png ", "V_MJPEG", "V_PNG", "V_MS/VFW/FOURCC", "V_QUICKTIME")
_CODEC_NAMES = {"av01": "AV1", "V_AV1": "AV1", "vvc1": "VVC", "vvi1": "VVC"}


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
    length, start = _number(head, at + 4)
    unknown = (1 << 7 * (start - at - 4)) - 1  # all bits of the number are set
    return 0 if length in (0, unknown) else start + length


def _number(data: bytes, at: int) -> tuple[int, int]:
    """Return an EBML number of variable length and the offset after it. Return 0 for an invalid number."""
    if at >= len(data) or not data[at]:
        return 0, at
    width = 9 - data[at].bit_length()
    value = int.from_bytes(data[at : at + width], "big") & ((1 << 7 * width) - 1)
    return value, at + width


def video_codec(path: Path) -> str:
    """Return the codec that an MP4, QuickTime, Matroska or WebM file names for its first video track.

    Example: `av01 (AV1)`. Returns "" if it is not found.
    """
    with open(path, "rb") as file:
        head = file.read(64)
        if head.startswith(b"\x1a\x45\xdf\xa3"):
            file.seek(0)
            match = _CODEC_ID.search(file.read(_MATROSKA_HEAD))
            code = match[1] if match else b""
        else:
            code = _sample_entry(file, path.stat().st_size)
    name = code.decode("latin-1") if re.fullmatch(rb"[0-9A-Za-z_/. -]+", code) else ""
    return f"{name} ({_CODEC_NAMES[name]})" if name in _CODEC_NAMES else name


def is_cover_image(path: Path, fourcc: str) -> bool:
    """Return whether a stream with this codec is the cover image of an MP4, Matroska, MP3 or FLAC file.

    `fourcc` is the codec that OpenCV states. OpenCV does not distinguish cover images from videos.
    """
    with open(path, "rb") as file:
        head = file.read(64)
    is_movie = head[4:8] == b"ftyp" or head[4:8] in QUICKTIME_BOXES or head.startswith(b"\x1a\x45\xdf\xa3")
    if fourcc not in _COVER_CODECS or not (is_movie or head.startswith((b"ID3", b"fLaC"))):
        return False
    return video_codec(path) not in (fourcc, *_IMAGE_TRACKS)


def _sample_entry(file: BinaryIO, size: int) -> bytes:
    """Return the type of the first sample entry of the first video track, or b"" if there is none."""
    for movie in _boxes(file, 0, size, b"moov"):
        for track in _boxes(file, *movie, b"trak"):
            for media in _boxes(file, *track, b"mdia"):
                for start, _ in _boxes(file, *media, b"hdlr"):
                    file.seek(start + 8)
                    if file.read(4) != b"vide":
                        break
                    for information in _boxes(file, *media, b"minf"):
                        for table in _boxes(file, *information, b"stbl"):
                            for start, _ in _boxes(file, *table, b"stsd"):
                                file.seek(start + 12)
                                return file.read(4)
    return b""


def _boxes(file: BinaryIO, start: int, end: int, kind: bytes) -> Iterator[tuple[int, int]]:
    """Yield the begin and the end of the content of each box of this kind between two offsets."""
    for _ in range(_MAX_BOXES):
        file.seek(start)
        head = file.read(16)
        if start >= end or len(head) < 8:
            return
        length, header = int.from_bytes(head[:4], "big"), 8
        if length == 1:
            length, header = int.from_bytes(head[8:16], "big"), 16
        if length < header:
            return
        if head[4:8] == kind:
            yield start + header, min(end, start + length)
        start += length
