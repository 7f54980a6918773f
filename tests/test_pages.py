"""Files with several images: animations with their times, pages; and files that are no images."""

from __future__ import annotations

import contextlib
import functools
import io
import math
import zlib

import numpy as np
import PIL.Image
import pytest
from images import portrait
from mtcnn_cpp import MissingExtra
from mtcnn_cpp.media.image import decode_frames, decode_image
from mtcnn_cpp.media.image.formats import kind_of

pytest.importorskip("cv2")

COUNT = 70  # more than are decoded at a time
PICTURES = [
    PIL.Image.fromarray(np.random.default_rng(seed).integers(0, 256, (20, 30, 3), np.uint8))
    for seed in range(COUNT)
]
FORMATS = {
    "GIF": {"duration": 40},
    "WEBP": {"duration": 40, "lossless": True},
    "PNG": {"duration": 40},
    "TIFF": {},
}


@functools.cache
def several(format: str, count: int = COUNT) -> bytes:
    file = io.BytesIO()
    options = {"save_all": True, "append_images": PICTURES[1:count], **FORMATS[format]}
    PICTURES[0].save(file, format, **options)
    return file.getvalue()


@pytest.mark.parametrize("format", FORMATS)
def test_every_picture_once_in_order(format: str) -> None:
    data = several(format)
    frames = list(decode_frames(data, "file"))
    assert [frame.index for frame in frames] == list(range(COUNT))
    again = PIL.Image.open(io.BytesIO(data))
    for frame in frames:
        again.seek(frame.index)
        assert np.array_equal(frame.image, np.asarray(again.convert("RGB"))[..., ::-1])
    assert np.array_equal(frames[0].image, decode_image(data, "file"))
    if format == "TIFF":
        assert all(math.isnan(frame.time) for frame in frames)
    else:
        assert [frame.time for frame in frames] == [40 * index / 1000 for index in range(COUNT)]


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_with_one_picture(format: str) -> None:
    data = several(format, 1)
    (frame,) = decode_frames(data, "file")
    assert (frame.index, frame.time) == (0, 0.0)
    assert np.array_equal(frame.image, decode_image(data, "file"))


@functools.cache
def images_of(format: str) -> list[np.ndarray]:
    return [frame.image for frame in decode_frames(several(format), "file")]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("left", [1, 12, 60, 900, 9000])
def test_cut_files_end_or_are_an_error(format: str, left: int) -> None:
    """What can be read of a cut file is right; nothing but ValueError is raised."""
    whole = images_of(format)
    found = []
    with contextlib.suppress(ValueError):
        found.extend(frame.image for frame in decode_frames(several(format)[:left], "file"))
    assert len(found) < COUNT
    for picture, expected in zip(found[:-1], whole, strict=False):  # the last one may be filled up
        assert np.array_equal(picture, expected)


def test_a_video_is_called_one() -> None:
    video = b"\0\0\0\x20ftypisom" + bytes(500)
    with pytest.raises(ValueError, match="clip is a video, expected an image file; use detect_video"):
        decode_image(video, "clip")
    with pytest.raises(ValueError, match="clip is a video"):
        list(decode_frames(video, "clip"))


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"", None),
        (b"hello, world", None),
        (b"G" * 100, None),
        ((b"G" + bytes(187)) * 3, "video"),
        (b"RIFF\0\0\0\0AVI LIST", "video"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image"),
        (b"RIFF\0\0\0\0WAVEfmt ", None),
        (b"\0\0\0\x20ftypheic", "image"),
        (b"\0\0\0\x20ftypqt  ", "video"),
        (b"\x1a\x45\xdf\xa3", "video"),
        (b"P6\n2 2\n", "image"),
        (b"\xff\xd8\xff\xe0", "image"),
    ],
)
def test_kinds_by_the_first_bytes(head: bytes, kind: str | None) -> None:
    assert kind_of(head) == kind


def test_heic() -> None:
    """The image is that which PIL shows, by the same library."""
    pillow_heif = pytest.importorskip("pillow_heif")
    file = io.BytesIO()
    pillow_heif.from_pillow(PICTURES[0]).save(file, quality=90)
    pillow_heif.register_heif_opener()
    seen = np.asarray(PIL.Image.open(file).convert("RGB"))
    assert np.array_equal(decode_image(file.getvalue(), "photo.heic"), seen[..., ::-1])
    with pytest.raises(ValueError, match=r"photo\.heic: this HEIC image cannot be decoded"):
        decode_image(file.getvalue()[:200], "photo.heic")


def test_heic_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    with pytest.raises(MissingExtra, match=r"photo\.heic is a HEIC image.*mtcnn-cpp\[heif\]"):
        decode_image(b"\0\0\0\x20ftypheic" + bytes(100), "photo.heic")


def test_damaged_animated_png() -> None:
    """OpenCV takes memory that was not written for the pixels of such a frame: it is an error instead."""
    file = io.BytesIO()
    image = PIL.Image.fromarray(np.ascontiguousarray(portrait()[:64, :64, ::-1]))
    image.save(file, format="PNG", save_all=True, append_images=[image.rotate(9)])
    whole = file.getvalue()
    assert len(list(decode_frames(whole, "file"))) == 2
    for kind in (b"IDAT", b"fdAT"):
        start = whole.index(kind)
        length = int.from_bytes(whole[start - 4 : start], "big")
        for place in (8, length // 2, length - 1):
            for checksum_is_right in (False, True):
                data = bytearray(whole)
                data[start + 4 + place] ^= 0x55
                if checksum_is_right:
                    sum_of_all = zlib.crc32(data[start : start + 4 + length]).to_bytes(4, "big")
                    data[start + 4 + length : start + 8 + length] = sum_of_all
                with pytest.raises(ValueError, match="file is damaged: a checksum"):
                    list(decode_frames(bytes(data), "file"))
