"""Detects from the first bytes of a file whether it is an image or a video.

MP4, QuickTime, HEIF and AVIF files consist of boxes (ISO base media file format). Their first box, `ftyp`,
lists four-letter brands, which name the format.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["image", "video"]

HEAD = 512  # number of bytes from the start of a file that `kind_of` needs

IMAGE_EXTENSIONS = frozenset(
    (
        *(".apng", ".avif", ".avifs", ".bmp", ".exr", ".gif", ".hdr", ".heic", ".heics", ".heif", ".heifs"),
        *(".hif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".mpo", ".pbm", ".pgm", ".png", ".ppm"),
        *(".tif", ".tiff", ".webp"),
    )
)

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # the last two are BigTIFF
RAW_SIGNATURES = (b"FUJIFILMCCD-RAW", b"IIU\0", b"IIRO", b"IIRS", b"MMOR", b"FOVb", b"\0MRM")  # not TIFF
_IMAGE_SIGNATURES = (
    *(PNG_SIGNATURE, b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"BM"),
    *TIFF_SIGNATURES,
    b"\xff\x4f\xff\x51",  # JPEG 2000 codestream
    *(b"\xff\x0a", b"\0\0\0\x0cJXL "),  # JPEG XL
    *(b"v/1\x01", b"#?RADIANCE", b"#?RGBE"),
    *(b"P%d" % digit for digit in range(1, 8)),
    *(b"PF", b"Pf"),
)
_JPEG_2000 = b"\0\0\0\x0cjP  "
_VIDEO_SIGNATURES = (
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
QUICKTIME_BOXES = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})  # first box, if not ftyp

_AVIF = frozenset({b"avif", b"avis"})
_HEIF = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"mif2", b"msf1"}
)
_CANON_RAW = b"crx "  # CR3; the compatible brands of these files include video brands
_VIDEO_BRANDS = frozenset(
    (
        *(b"isom", b"mp41", b"mp42", b"mp71", b"avc1", b"hvc1", b"av01", b"dash", b"piff", b"isml"),
        *(b"qt  ", b"mqt ", b"M4V ", b"M4VH", b"M4VP", b"M4A ", b"M4B ", b"M4P ", b"f4v ", b"F4V ", b"F4P "),
        *(b"MSNV", b"XAVC", b"mmp4", b"mjp2", b"mj2s", b"kddi", b"dby1", b"niko", b"pana", b"SDV "),
    )
)
_VIDEO_BRAND_PREFIXES = (b"3g", b"iso", b"cmf", b"NDX", b"NDS", b"NDH", b"NDP")  # iso2 to isoz, 3gp4, cmfc, …
_TRANSPORT_PACKET = 188  # bytes between the sync bytes of an MPEG transport stream
_SYNC_BYTE = ord("G")


def kind_of(head: bytes) -> Kind | None:
    """Return "image" or "video" for a file that begins with `head`.

    Raw photos count as images, although they cannot be decoded. Returns None if the file is neither an image
    nor a video, if the brands in its `ftyp` box are unknown, or if `head` is too short.
    """
    if brands := brands_of(head):
        return _kind_of_brands(brands)
    if head.startswith(b"RIFF"):
        kinds: dict[bytes, Kind] = {b"WEBP": "image", b"AVI ": "video"}
        return kinds.get(head[8:12])
    if head.startswith(_JPEG_2000):  # JP2 images and MJ2 videos
        return "video" if head[12:20].endswith(b"ftyp") and _is_video_brand(head[20:24]) else "image"
    if head.startswith(_IMAGE_SIGNATURES + RAW_SIGNATURES):
        return "image"
    if (
        head.startswith(_VIDEO_SIGNATURES)
        or head[4:8] in QUICKTIME_BOXES
        or _is_transport_stream(head)
        or _is_dv(head)
    ):
        return "video"
    return None


def brands_of(head: bytes) -> tuple[bytes, ...]:
    """Return the major brand and the compatible brands in the `ftyp` box at the start of a file.

    Return () if the file does not begin with this box.
    """
    if head[4:8] != b"ftyp":
        return ()
    end = min(int.from_bytes(head[:4], "big"), len(head))
    return (head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4)))


def is_avif(head: bytes) -> bool:
    """Return whether the file is an AVIF image or sequence."""
    return not _AVIF.isdisjoint(brands_of(head))


def is_heif(head: bytes) -> bool:
    """Return whether the file is a HEIC or HEIF image or sequence. Return False for AVIF."""
    brands = brands_of(head)
    return brands[:1] != (_CANON_RAW,) and not _HEIF.isdisjoint(brands) and _AVIF.isdisjoint(brands)


def is_canon_raw(head: bytes) -> bool:
    """Return whether the file is a raw photo in the CR3 format."""
    return brands_of(head)[:1] == (_CANON_RAW,)


def has_movie_box(data: bytes) -> bool:
    """Return whether the file has a `moov` box at the top level. AVIF and HEIF sequences have this box."""
    return any(kind == b"moov" for kind in _box_kinds(data))


def avif_bit_depth(data: bytes) -> int:
    """Return the number of bits per channel that the `av1C` boxes of an AVIF file state: 8, 10 or 12."""
    depth, at = 8, 0
    while (at := data.find(b"av1C", at)) >= 0:
        at += 4
        flags = data[at + 2] if at + 2 < len(data) and data[at] == 0x81 else 0
        depth = max(depth, 8 if not flags & 0x40 else 12 if flags & 0x20 else 10)
    return depth


def _kind_of_brands(brands: tuple[bytes, ...]) -> Kind | None:
    """Return the kind of the major brand, or of the compatible brands if the major brand is unknown."""
    for group in (brands[:1], brands[1:]):
        if not (_AVIF | _HEIF | {_CANON_RAW}).isdisjoint(group):
            return "image"
        if any(map(_is_video_brand, group)):
            return "video"
    return None


def _is_video_brand(brand: bytes) -> bool:
    return brand in _VIDEO_BRANDS or brand.startswith(_VIDEO_BRAND_PREFIXES)


def _box_kinds(data: bytes) -> Iterator[bytes]:
    """Yield the kind of each box at the top level."""
    at = 0
    while at + 8 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        if length == 1:
            length = int.from_bytes(data[at + 8 : at + 16], "big")
        yield data[at + 4 : at + 8]
        if length < 8:  # 0: the box ends at the end of the file; 2 to 7 are invalid
            return
        at += length


def _is_transport_stream(head: bytes) -> bool:
    """Return whether `head` begins with MPEG transport packets.

    On Blu-ray discs, a timestamp precedes each packet.
    """
    return any(
        len(head) > first + 2 * step
        and head[first] == head[first + step] == head[first + 2 * step] == _SYNC_BYTE
        for first, step in ((0, _TRANSPORT_PACKET), (4, _TRANSPORT_PACKET + 4))
    )


def _is_dv(head: bytes) -> bool:
    """Return whether `head` begins with a raw DV stream.

    Such a stream begins with a header block and then a subcode block.
    """
    return (
        head[:3] == b"\x1f\x07\0"
        and head[3:4] in (b"\x3f", b"\xbf")
        and head[80:81] != b""
        and (head[80] >> 5 == 1)
    )
