"""The page decodes images to the pixels of the Python package."""

from __future__ import annotations

import base64
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import png
import pytest
from images import portrait
from mtcnn_cpp.media.image import read_image

cv2 = pytest.importorskip("cv2", reason="needs OpenCV: pip install opencv-python")


def decoded(page: Any, content: bytes) -> np.ndarray:
    """Return the pixels that the page decodes from a file, (H, W, 3) BGR."""
    width, height, data = page.evaluate(DECODE, base64.b64encode(content).decode())
    rgba = np.frombuffer(base64.b64decode(data), np.uint8).reshape(height, width, 4)
    return np.ascontiguousarray(rgba[..., 2::-1])


DECODE = """async (base64) => {
    const { decode } = await import("./decode.js");
    const content = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const { width, height, data } = await decode(new Blob([content]));
    let text = "";
    for (let at = 0; at < data.length; at += 9000) text += String.fromCharCode(...data.slice(at, at + 9000));
    return [width, height, btoa(text)];
}"""


def with_chunk(content: bytes, chunk: bytes) -> bytes:
    """Insert a chunk after the header of a PNG file."""
    return content[:33] + chunk + content[33:]


def transparent() -> bytes:
    """Return a PNG file with every value of alpha."""
    image = np.dstack([portrait()[:, :160], np.resize(np.arange(256, dtype=np.uint8), (160, 160))])
    return bytes(cv2.imencode(".png", image)[1])


def palette() -> bytes:
    """Return a PNG file with a palette of 16 colours, one of them transparent."""
    colours = np.random.default_rng(1).integers(0, 256, (16, 3), dtype=np.uint8)
    rows = b"".join(b"\0" + bytes((x + y) % 16 for x in range(40)) for y in range(30))
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            png.chunk(b"IHDR", struct.pack(">IIBBBBB", 40, 30, 8, 3, 0, 0, 0)),
            png.chunk(b"PLTE", colours.tobytes()),
            png.chunk(b"tRNS", bytes([255, 0, 128])),
            png.chunk(b"IDAT", zlib.compress(rows)),
            png.chunk(b"IEND", b""),
        )
    )


PNG_FILES = {
    "RGB": lambda: png.encode(portrait()),
    "grey": lambda: bytes(cv2.imencode(".png", portrait()[..., 0])[1]),
    "transparent": transparent,
    "palette": palette,
    "gamma": lambda: with_chunk(png.encode(portrait()), png.chunk(b"gAMA", struct.pack(">I", 100000))),
    "one pixel": lambda: png.encode(np.uint8([[[1, 2, 3]]])),
}


@pytest.mark.parametrize("kind", PNG_FILES)
def test_png(page: Any, tmp_path: Path, kind: str) -> None:
    content = PNG_FILES[kind]()
    (tmp_path / "image.png").write_bytes(content)
    assert np.array_equal(decoded(page, content), read_image(tmp_path / "image.png"))


def test_a_colour_profile_is_ignored(page: Any) -> None:
    """The pixels are the same with a profile that exchanges red and green."""
    content = png.encode(portrait())
    profile = display_profile()
    chunk = png.chunk(b"iCCP", b"swapped\0\0" + zlib.compress(profile))
    assert np.array_equal(decoded(page, with_chunk(content, chunk)), portrait())


def display_profile() -> bytes:
    """Return an ICC profile with the primaries of sRGB, red and green exchanged, and gamma 1.8."""

    def number(value: float) -> bytes:
        return struct.pack(">i", round(value * 65536))

    def xyz(*values: float) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(map(number, values))

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(1.8 * 256)) + b"\0\0"
    text = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(78)
    tags = {
        b"desc": text + bytes(-len(text) % 4), b"cprt": b"text\0\0\0\0none\0\0\0\0",
        b"wtpt": xyz(0.9642, 1, 0.8249), b"gXYZ": xyz(0.4361, 0.2225, 0.0139),
        b"rXYZ": xyz(0.3851, 0.7169, 0.0971), b"bXYZ": xyz(0.1431, 0.0606, 0.7141),
        b"rTRC": curve, b"gTRC": curve, b"bTRC": curve,
    }  # fmt: skip
    at, table, data = 128 + 4 + 12 * len(tags), b"", b""
    for name, content in tags.items():
        table += name + struct.pack(">II", at + len(data), len(content))
        data += content
    size = at + len(data)
    head = struct.pack(">I4sI", size, b"none", 0x02400000) + b"mntrRGB XYZ " + bytes(12) + b"acsp" + bytes(28)
    head += b"".join(map(number, (0.9642, 1, 0.8249)))
    return head + bytes(128 - len(head)) + struct.pack(">I", len(tags)) + table + data


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_rotation_of_a_jpeg(page: Any, tmp_path: Path, orientation: int) -> None:
    """The image is rotated upright as in the package. The decoders may differ by a few levels."""
    content = bytes(cv2.imencode(".jpg", portrait(), [cv2.IMWRITE_JPEG_QUALITY, 95])[1])
    tiff = struct.pack("<2sHIHHHII", b"II", 42, 8, 1, 0x0112, 3, 1, orientation) + bytes(4)
    exif = b"Exif\0\0" + tiff
    content = content[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + content[2:]
    (tmp_path / "image.jpg").write_bytes(content)
    found, expected = decoded(page, content), read_image(tmp_path / "image.jpg")
    assert found.shape == expected.shape == (portrait().shape if orientation < 5 else (176, 160, 3))
    difference = np.abs(found.astype(int) - expected)
    assert difference.mean() < 1
