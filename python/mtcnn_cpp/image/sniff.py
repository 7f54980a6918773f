"""Whether a file is a picture or a video, by its first bytes."""

from __future__ import annotations

from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["picture", "video"]

HEAD = 512  # bytes that are looked at

_PICTURES = (
    *(b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"BM"),
    *(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),  # TIFF, also that of more than 4 GiB
    *(b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"),  # JPEG 2000
    *(b"v/1\x01", b"#?RADIANCE", b"#?RGBE"),
    *(b"P%d" % digit for digit in range(1, 8)),
    *(b"PF", b"Pf"),
)
_PICTURE_BRANDS = {b"avif", b"avis", b"mif1", b"msf1", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"}
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
)
_ATOMS = {b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}  # QuickTime files without a brand
_PACKET = 188  # bytes between the marks of an MPEG transport stream


def kind_of(head: bytes) -> Kind | None:
    """What a file that begins with `head` is; None for anything else, and for what is too short to tell."""
    if head[4:8] == b"ftyp":
        return "picture" if head[8:12] in _PICTURE_BRANDS else "video"
    if head.startswith(b"RIFF"):
        kinds: dict[bytes, Kind] = {b"WEBP": "picture", b"AVI ": "video"}
        return kinds.get(head[8:12])
    if head.startswith(_PICTURES):
        return "picture"
    stream = head[:1] == head[_PACKET : _PACKET + 1] == head[2 * _PACKET : 2 * _PACKET + 1] == b"G"
    return "video" if head.startswith(_VIDEOS) or head[4:8] in _ATOMS or stream else None
