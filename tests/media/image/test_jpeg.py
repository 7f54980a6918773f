"""JPEG and PNG files: unusual valid files are read, truncated files are errors."""

from __future__ import annotations

import io
import random
from collections.abc import Callable

import numpy as np
import PIL.Image
import png
import pytest
from images import portrait
from mtcnn_cpp.media.image import decode_frames, decode_image
from mtcnn_cpp.media.image.structure import is_truncated

cv2 = pytest.importorskip("cv2")

RGB = PIL.Image.fromarray(np.ascontiguousarray(portrait()[..., ::-1]))


def by_opencv(*flags: int) -> bytes:
    return bytes(cv2.imencode(".jpg", portrait(), flags)[1].tobytes())


def by_pillow(image: PIL.Image.Image = RGB, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


JPEGS: dict[str, Callable[[], bytes]] = {
    "baseline": by_opencv,
    "progressive": lambda: by_opencv(cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "restart markers": lambda: by_opencv(cv2.IMWRITE_JPEG_RST_INTERVAL, 3),
    "optimised": lambda: by_opencv(cv2.IMWRITE_JPEG_OPTIMIZE, 1),
    "Pillow": by_pillow,
    "Pillow, progressive": lambda: by_pillow(progressive=True, quality=95),
    "Pillow, 4:4:4": lambda: by_pillow(subsampling=0),
    "grey": lambda: by_pillow(RGB.convert("L")),
    "CMYK": lambda: by_pillow(RGB.convert("CMYK")),
    "thumbnail": lambda: with_segment(by_pillow(), 0xE1, b"Exif\0\0" + by_pillow(RGB.resize((40, 40)))),
    "end marker in a comment": lambda: with_segment(by_pillow(progressive=True), 0xFE, b"\xff\xd9\xff\xd8"),
    "fill bytes": lambda: filled(by_pillow(progressive=True), 3),
}  # fmt: skip


def with_segment(data: bytes, code: int, content: bytes) -> bytes:
    return data[:2] + bytes([0xFF, code]) + (len(content) + 2).to_bytes(2, "big") + content + data[2:]


def marker_places(data: bytes) -> list[int]:
    """Return the offsets of all markers after the first, with an independent parser."""
    places, at = [], 2
    while at < len(data):
        if data[at] != 0xFF or data[at + 1] in (0, 0xFF):
            at += 1
            continue
        places.append(at)
        code = data[at + 1]
        at += 2 if code == 0xD9 or 0xD0 <= code <= 0xD8 else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if code == 0xD9:
            return places
    raise AssertionError("no end marker")


def filled(data: bytes, count: int) -> bytes:
    """Insert fill bytes before every marker except the first."""
    for at in reversed(marker_places(data)):
        data = data[:at] + b"\xff" * count + data[at:]
    return data


@pytest.mark.parametrize("name", JPEGS)
def test_whole_files_are_read_with_and_without_fill_bytes(name: str) -> None:
    data = JPEGS[name]()
    expected = decode_image(data, "file")
    for count in (1, 2, 7):
        assert np.array_equal(decode_image(filled(data, count), "file"), expected)
    for tail in (b"\0", bytes(500), b"more", b"\xff\xda more", b"\xff\xd8", b"\xff\xd9" * 3, data[:300][2:]):
        assert np.array_equal(decode_image(data + tail, "file"), expected)


@pytest.mark.parametrize("name", JPEGS)
def test_truncated_files_are_errors(name: str) -> None:
    """Some truncated files end with the end marker of an embedded image."""
    data = JPEGS[name]()
    end = marker_places(data)[-1]
    chance = random.Random(name)
    for cut in {*(chance.randrange(1, end) for _ in range(150)), *range(end - 4, end + 2), 2, 3, 4}:
        for tail in (b"", b"\xff"):
            with pytest.raises(ValueError, match=r"file is (truncated|not an image that OpenCV can read)"):
                list(decode_frames(data[:cut] + tail, "file"))
            assert cut < 2 or is_truncated(data[:cut] + tail)  # before OpenCV decodes the file


def test_truncated_png_with_another_one_inside() -> None:
    """The end of a PNG inside a chunk is not the end of the file."""
    inner = png.encode(portrait()[:20, :20])
    data = png.encode(portrait())
    whole = data[:33] + png.chunk(b"prVt", inner) + data[33:]
    assert np.array_equal(decode_image(whole, "file"), portrait())
    assert np.array_equal(decode_image(whole + b"IHDR", "file"), portrait())
    for cut in range(len(data), len(whole) - 12, 97):
        with pytest.raises(ValueError, match="file is truncated"):
            decode_image(whole[:cut], "file")


@pytest.mark.parametrize("format", ["GIF", "WEBP", "TIFF", "BMP", "PPM", "JPEG2000", "AVIF", "PNG"])
def test_truncated_files_of_other_formats_are_errors(format: str) -> None:
    file = io.BytesIO()
    RGB.save(file, format)
    data = file.getvalue()
    assert len(list(decode_frames(data, "file"))) == 1
    chance = random.Random(format)
    for _ in range(40):
        with pytest.raises(ValueError, match="file"):
            list(decode_frames(data[: chance.randrange(1, len(data) - 2)], "file"))
