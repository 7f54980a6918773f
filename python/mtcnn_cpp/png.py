"""Pictures as PNG without OpenCV: any 8-bit colour picture out, and the same kind back in.

Every row is written with PNG's filter 1 ("Sub": each byte minus the same channel of the pixel to its left,
modulo 256), which NumPy undoes with one running sum. `decode` therefore reads what `encode` wrote, not any
PNG.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_8_BIT = bytes([8, 2, 0, 0, 0])  # bits, RGB, deflate, the five filters, not interlaced
_SUB = 1


def encode(image: NDArray[np.uint8]) -> bytes:
    """The PNG file of `image`, (H, W, 3) uint8 in the order B, G, R."""
    height, width, _ = image.shape
    rgb = image[..., ::-1]
    rows = np.empty((height, 1 + 3 * width), np.uint8)
    rows[:, 0] = _SUB
    rows[:, 1:4] = rgb[:, 0]
    rows[:, 4:] = (rgb[:, 1:] - rgb[:, :-1]).reshape(height, -1)
    header = struct.pack(">II", width, height) + _COLOUR_8_BIT
    return (
        SIGNATURE
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows.tobytes(), 6))
        + chunk(b"IEND", b"")
    )


def decode(data: bytes) -> NDArray[np.uint8]:
    """The picture, (H, W, 3) uint8 in the order B, G, R, of a file that `encode` wrote; else a ValueError."""
    if not data.startswith(SIGNATURE):
        raise ValueError("not a PNG file")
    header, body, at = b"", b"", len(SIGNATURE)
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        header += content if kind == b"IHDR" else b""
        body += content if kind == b"IDAT" else b""
        at += 12 + length
    width, height = struct.unpack_from(">II", header)
    rows = np.frombuffer(zlib.decompress(body), np.uint8).reshape(height, -1)
    if header[8:] != _COLOUR_8_BIT or (rows[:, 0] != _SUB).any():
        raise ValueError("not a PNG file as mtcnn_cpp writes them (8-bit RGB, filter 1 on every row)")
    rgb = np.cumsum(rows[:, 1:].reshape(height, width, 3), axis=1, dtype=np.uint8)
    return np.ascontiguousarray(rgb[..., ::-1])


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG file: length, kind, content, checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
