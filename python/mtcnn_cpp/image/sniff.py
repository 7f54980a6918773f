"""Whether a file is a picture or a video, by its first bytes."""

from __future__ import annotations

from typing import Literal, TypeAlias

from .boxes import AVIF, HEIF, RAW, brands_of, is_video_brand

Kind: TypeAlias = Literal["picture", "video"]

HEAD = 512  # bytes that are looked at

_PICTURES = (
    *(b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"BM"),
    *(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),  # TIFF, also that of more than 4 GiB
    b"\xff\x4f\xff\x51",  # JPEG 2000 without boxes
    *(b"\xff\x0a", b"\0\0\0\x0cJXL "),  # JPEG XL
    *(b"v/1\x01", b"#?RADIANCE", b"#?RGBE"),
    *(b"P%d" % digit for digit in range(1, 8)),
    *(b"PF", b"Pf"),
)
RAW_PHOTOS = (b"FUJIFILMCCD-RAW", b"IIU\0", b"IIRO", b"IIRS", b"MMOR", b"FOVb", b"\0MRM")  # not TIFF
_BOXED_PICTURES = b"\0\0\0\x0cjP  "
_VIDEOS = (
    b"\x1a\x45\xdf\xa3",  # Matroska, WebM
    b"OggS",
    b"FLV\x01",
    b"\0\0\x01\xba",  # MPEG program stream
    b"\0\0\x01\xb3",  # MPEG video
    b"\0\0\0\x01\x67",  # H.264 without a container
    b"\x30\x26\xb2\x75",  # ASF, WMV
    b"YUV4MPEG2",
    b"DKIF",
    b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02",  # MXF
    b"nut/multimedia container\0",
    b".RMF",
)
_ATOMS = {b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}  # QuickTime files without a brand
_PACKET = 188  # bytes between the marks of an MPEG transport stream
_SYNC = ord("G")


def kind_of(head: bytes) -> Kind | None:
    """What a file that begins with `head` is; None for anything else, for an unknown file type (`ftyp`), and
    for a file that is too short to tell. Raw photos count as pictures; reading them is an error."""
    if brands := brands_of(head):
        return _kind_of_brands(brands)
    if head.startswith(b"RIFF"):
        kinds: dict[bytes, Kind] = {b"WEBP": "picture", b"AVI ": "video"}
        return kinds.get(head[8:12])
    if head.startswith(_BOXED_PICTURES):  # JPEG 2000: images, and videos (MJ2)
        return "video" if head[12:20].endswith(b"ftyp") and is_video_brand(head[20:24]) else "picture"
    if head.startswith(_PICTURES + RAW_PHOTOS):
        return "picture"
    if head.startswith(_VIDEOS) or head[4:8] in _ATOMS or _is_transport_stream(head) or _is_dv(head):
        return "video"
    return None


def _kind_of_brands(brands: tuple[bytes, ...]) -> Kind | None:
    """By the major brand if it is known, else by the compatible ones."""
    for some in (brands[:1], brands[1:]):
        if not (RAW | AVIF | HEIF).isdisjoint(some):
            return "picture"
        if any(map(is_video_brand, some)):
            return "video"
    return None


def _is_transport_stream(head: bytes) -> bool:
    """Whether packets of an MPEG transport stream begin here, with times in front (Blu-ray, AVCHD) or not."""
    return any(
        len(head) > first + 2 * step and head[first] == head[first + step] == head[first + 2 * step] == _SYNC
        for first, step in ((0, _PACKET), (4, _PACKET + 4))
    )


def _is_dv(head: bytes) -> bool:
    """Whether a raw DV stream begins here: a header block, then a block of subcodes."""
    return (
        head[:3] == b"\x1f\x07\0"
        and head[3:4] in (b"\x3f", b"\xbf")
        and head[80:81] != b""
        and (head[80] >> 5 == 1)
    )
