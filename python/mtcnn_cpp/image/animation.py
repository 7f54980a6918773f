"""Frames that an animation announces: OpenCV gives only the first one of a damaged file, without an error."""

from __future__ import annotations

from .truncation import png_chunks

WEBP_ANIMATION, WEBP_EXIF = 0x02, 0x08  # flags of an extended WebP file


def is_animated_png(data: bytes) -> bool:
    """Whether the content is a PNG file whose frames follow in chunks of their own (APNG)."""
    return _frames_of_png(data) > 0


def is_animated_webp(data: bytes) -> bool:
    """Whether the content is a WebP file with frames."""
    return has_webp_flag(data, WEBP_ANIMATION)


def has_webp_flag(data: bytes, flag: int) -> bool:
    """Whether the content is a WebP file with this flag in its header."""
    return data[8:16] == b"WEBPVP8X" and len(data) > 20 and bool(data[20] & flag)


def announced_frames(data: bytes) -> int:
    """The number of frames that a GIF, PNG or WebP file has by its structure; 0 for other files."""
    if data.startswith(b"GIF8"):
        return _frames_of_gif(data)
    return _frames_of_webp(data) if is_animated_webp(data) else _frames_of_png(data)


def _frames_of_png(data: bytes) -> int:
    for kind, at in png_chunks(data):
        if kind == b"acTL":
            return int.from_bytes(data[at : at + 4], "big")
        if kind == b"IDAT":
            break
    return 0


def _frames_of_webp(data: bytes) -> int:
    count, at = 0, 12
    while at + 8 <= len(data):
        count += data[at : at + 4] == b"ANMF"
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + length + length % 2
    return count


def _frames_of_gif(data: bytes) -> int:
    """Images up to the trailer, or to what is no block of a GIF file."""
    count, at = 0, 13 + _table_size(data, 10)
    while at < len(data):
        if data[at] == 0x21:  # an extension
            at += 2
        elif data[at] == 0x2C:  # an image
            count += 1
            at += 11 + _table_size(data, at + 9)
        else:
            break
        while at < len(data) and data[at]:  # blocks of data
            at += 1 + data[at]
        at += 1
    return count


def _table_size(data: bytes, flags_at: int) -> int:
    """Bytes of a colour table, by the flags that announce it."""
    flags = data[flags_at] if flags_at < len(data) else 0
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0
