"""Boxes of ISO base media files (MP4, QuickTime, HEIF, AVIF), and what their `ftyp` box says they are."""

from __future__ import annotations

from collections.abc import Iterator

AVIF = frozenset({b"avif", b"avis"})
HEIF = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"mif2", b"msf1"}
)
RAW = frozenset({b"crx "})  # Canon CR3; its compatible brands include those of videos
_VIDEO = frozenset(
    (
        *(b"isom", b"mp41", b"mp42", b"mp71", b"avc1", b"hvc1", b"av01", b"dash", b"piff", b"isml"),
        *(b"qt  ", b"mqt ", b"M4V ", b"M4VH", b"M4VP", b"M4A ", b"M4B ", b"M4P ", b"f4v ", b"F4V ", b"F4P "),
        *(b"MSNV", b"XAVC", b"mmp4", b"mjp2", b"mj2s", b"kddi", b"dby1", b"niko", b"pana", b"SDV "),
    )
)
_VIDEO_FAMILIES = (
    b"3g",
    b"iso",
    b"cmf",
    b"NDX",
    b"NDS",
    b"NDH",
    b"NDP",
)  # iso2 to isoz, 3gp4 to 3gs9, cmfc, …


def brands_of(head: bytes) -> tuple[bytes, ...]:
    """Major brand, then compatible brands, of the `ftyp` box that a file begins with; empty without one."""
    if head[4:8] != b"ftyp":
        return ()
    end = min(int.from_bytes(head[:4], "big"), len(head))
    return (head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4)))


def is_avif(head: bytes) -> bool:
    """Whether a file that begins with `head` is an AVIF image or sequence."""
    return not AVIF.isdisjoint(brands_of(head))


def is_heif(head: bytes) -> bool:
    """Whether a file that begins with `head` is a HEIC or HEIF image or sequence, and not AVIF."""
    brands = brands_of(head)
    return brands[:1] != (b"crx ",) and not HEIF.isdisjoint(brands) and AVIF.isdisjoint(brands)


def is_raw(head: bytes) -> bool:
    """Whether a file that begins with `head` is a raw photo in boxes (Canon CR3)."""
    return brands_of(head)[:1] != () and brands_of(head)[0] in RAW


def is_video_brand(brand: bytes) -> bool:
    """Whether files of this brand are videos."""
    return brand in _VIDEO or brand.startswith(_VIDEO_FAMILIES)


def has_movie(data: bytes) -> bool:
    """Whether the content has a `moov` box at the top: the frames of an AVIF or HEIF sequence."""
    return any(kind == b"moov" for kind, _ in boxes(data))


def boxes(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Kind and offset of each box at the top of the content."""
    at = 0
    while at + 8 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        if length == 1:
            length = int.from_bytes(data[at + 8 : at + 16], "big")
        yield data[at + 4 : at + 8], at
        if length < 8:  # 0: up to the end of the file; else no box
            return
        at += length


def avif_depth(data: bytes) -> int:
    """Bits per channel of an AVIF file, by its `av1C` boxes: 8, 10 or 12."""
    depth, at = 8, 0
    while (at := data.find(b"av1C", at)) >= 0:
        at += 4
        flags = data[at + 2] if at + 2 < len(data) and data[at] == 0x81 else 0
        depth = max(depth, 8 if not flags & 0x40 else 12 if flags & 0x20 else 10)
    return depth
