"""Files with several images produce all images or an error; detection of file types."""

from __future__ import annotations

import io
import math
import random
import struct
from pathlib import Path
from typing import Any

import numpy as np
import PIL.features
import PIL.Image
import png
import pytest
from images import portrait
from mtcnn_cpp import Detector
from mtcnn_cpp.media.image import Frame, decode_frames, decode_image
from mtcnn_cpp.media.image.formats import kind_of
from study import rows_of, run

cv2 = pytest.importorskip("cv2")
COUNT = 5
IMAGES = [
    PIL.Image.fromarray(np.ascontiguousarray(np.roll(portrait(), 9 * index, axis=1)[..., ::-1]))
    for index in range(COUNT)
]
AVIF = pytest.mark.skipif(not PIL.features.check("avif"), reason="this Pillow writes no AVIF")
OPTIONS: dict[str, dict[str, Any]] = {
    "GIF": {"duration": 40},
    "WEBP": {"duration": 40},
    "PNG": {"duration": 40},
}
OPTIONS |= {"AVIF": {"duration": 40}, "TIFF": {}, "MPO": {}}


def several(format: str) -> bytes:
    file = io.BytesIO()
    first, *others = [image.copy() for image in IMAGES]  # Pillow keeps options of one format with the image
    first.save(file, format, save_all=True, append_images=others, **OPTIONS[format])
    return file.getvalue()


def frames_of(data: bytes) -> tuple[list[Frame], str]:
    """Return the frames and the error after them."""
    frames: list[Frame] = []
    try:
        for frame in decode_frames(data, "file"):
            frames.append(frame)
    except ValueError as error:
        return frames, str(error)
    return frames, ""


@pytest.mark.parametrize("format", [*sorted(set(OPTIONS) - {"AVIF"}), pytest.param("AVIF", marks=AVIF)])
def test_all_images_or_an_error(format: str) -> None:
    data = several(format)
    frames, error = frames_of(data)
    assert (len(frames), error) == (COUNT, "")
    for index, frame in enumerate(frames):
        shift = np.abs(np.roll(frame.image.astype(int), -9 * index, axis=1) - portrait()).mean()
        assert shift < 12, (index, shift)  # the expected image, within the loss of the format
    if format in ("TIFF", "MPO"):
        assert all(math.isnan(frame.time) for frame in frames)
    else:
        assert [frame.time for frame in frames] == [40 * index / 1000 for index in range(COUNT)]
    for cut in range(64, len(data) - 3, len(data) // 41):
        found, error = frames_of(data[:cut])
        assert error, cut
        for frame, whole in zip(found, frames, strict=False):
            assert np.array_equal(frame.image, whole.image)


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP"])
def test_a_damaged_animation_is_not_one_image(format: str) -> None:
    """For many such files, OpenCV returns the first frame without an error."""
    data = several(format)
    chance = random.Random(1)
    for _ in range(60):
        damaged = bytearray(data)
        damaged[chance.randrange(len(data) // 3, len(data))] ^= 1 << chance.randrange(8)
        frames, error = frames_of(bytes(damaged))
        assert len(frames) == COUNT or error


@AVIF
def test_a_command_gives_a_row_for_each_frame_of_an_avif_sequence(tmp_path: Path) -> None:
    (tmp_path / "s.avif").write_bytes(several("AVIF"))
    assert run(tmp_path / "s.avif", "-o", tmp_path / "t.jsonl").exit_code == 0
    assert [row["frame"] for row in rows_of(tmp_path / "t.jsonl")] == list(range(1, COUNT + 1))


@pytest.mark.parametrize("depth", [10, 12])
def test_avif_of_more_than_8_bits_uses_the_whole_range(depth: int) -> None:
    sixteen = portrait().astype(np.uint16) << (depth - 8)
    try:
        done, data = cv2.imencode(
            ".avif", sixteen, [cv2.IMWRITE_AVIF_DEPTH, depth, cv2.IMWRITE_AVIF_QUALITY, 100]
        )
    except (AttributeError, cv2.error) as error:
        pytest.skip(f"this OpenCV writes no AVIF ({error})")
    assert done
    image = decode_image(data.tobytes(), "file")
    assert image.dtype == np.uint16
    assert np.abs(image.astype(int) - (portrait().astype(int) << 8)).max() <= 1 << 10
    assert len(Detector().detect(image)) == 1


def test_animated_png_with_long_metadata() -> None:
    data = several("PNG")
    text = png.chunk(b"tEXt", b"Comment\0" + bytes(range(32, 127)) * 100)
    assert len(frames_of(data[:33] + text + data[33:])[0]) == COUNT


def test_animated_webp_with_long_metadata() -> None:
    """A chunk whose length has more than 24 bits, and whose content looks like a frame."""
    data = several("WEBP")
    metadata = b"ANMF".ljust(1 << 24, b"\0")
    chunks = data[12:30] + struct.pack("<4sI", b"TEXT", len(metadata)) + metadata + data[30:]
    frames, error = frames_of(struct.pack("<4sI4s", b"RIFF", 4 + len(chunks), b"WEBP") + chunks)
    assert (len(frames), error) == (COUNT, "")


def test_heic_with_several_images() -> None:
    pillow_heif = pytest.importorskip("pillow_heif", reason="reads HEIC")
    made = pillow_heif.from_pillow(IMAGES[0])
    for image in IMAGES[1:]:
        made.add_from_pillow(image)
    for primary in (0, 3):
        file = io.BytesIO()
        made.save(file, quality=90, primary_index=primary)
        data = file.getvalue()
        frames, error = frames_of(data)
        assert (len(frames), error) == (COUNT, "")
        assert np.array_equal(frames[0].image, decode_image(data, "file"))
        first = np.roll(portrait(), 9 * primary, axis=1).astype(int)
        assert np.abs(frames[0].image - first).mean() < 12
        assert frames_of(data[: len(data) // 2])[1]


def test_heic_sequence_is_an_error() -> None:
    pytest.importorskip("pillow_heif", reason="reads HEIC")
    movie = box(b"ftyp", b"hevc\0\0\0\0msf1hevcmif1") + box(b"meta", bytes(40)) + box(b"moov", bytes(40))
    with pytest.raises(ValueError, match=r"file is a HEIC sequence.*convert it to a video"):
        decode_image(movie, "file")


def test_motion_jpeg_gives_every_image(tmp_path: Path) -> None:
    file = io.BytesIO()
    IMAGES[0].save(file, "JPEG")
    small = io.BytesIO()
    IMAGES[0].resize((40, 40)).save(small, "JPEG")
    data = file.getvalue()
    assert len(frames_of(data * 7)[0]) == 7
    assert "1 of its 3 images" in frames_of(data * 2 + data[:-9])[1]
    assert len(frames_of(data + small.getvalue())[0]) == 1  # a thumbnail or a depth map after the image
    (tmp_path / "clip.mjpeg").write_bytes(data * 7)
    assert run(tmp_path / "clip.mjpeg", "-o", tmp_path / "t.jsonl").exit_code == 0
    assert len(rows_of(tmp_path / "t.jsonl")) == 7


def test_gain_maps_are_no_images() -> None:
    """Ultra HDR: an index of two images. The second is a gain map, complete or cut off."""
    file = io.BytesIO()
    IMAGES[0].save(file, "MPO", save_all=True, append_images=IMAGES[1:2])
    data = file.getvalue()
    assert len(frames_of(data)[0]) == 2
    second = data.rindex(b"\xff\xd8\xff")
    xmp = b"http://ns.adobe.com/xap/1.0/\0 hdrgm:Version='1.0'"
    segment = b"\xff\xe1" + (len(xmp) + 2).to_bytes(2, "big") + xmp
    with_map = data[: second + 2] + segment + data[second + 2 :]
    assert [len(frames_of(one)[0]) for one in (with_map, data[:second])] == [1, 1]
    assert [frames_of(one)[1] for one in (with_map, data[:second])] == ["", ""]


def test_a_tiff_whose_pages_have_no_end() -> None:
    data = bytearray(several("TIFF"))
    first = int.from_bytes(data[4:8], "little")
    entries = int.from_bytes(data[first : first + 2], "little")
    at = first + 2 + 12 * entries
    data[at : at + 4] = data[4:8]
    assert "the chain of directories of the TIFF file has no end" in frames_of(bytes(data))[1]


@pytest.mark.parametrize(
    ("header", "size"),
    [
        (b"P6\n4 3\n255\n", 36),
        (b"P6 # comment 9\n# more\n 4\n3 #x\n65535\n", 72),
        (b"P5\t4\t3\t255\n", 12),
        (b"P4\n9 3\n", 6),
    ],
)
def test_joined_pnm_images_are_an_error(header: bytes, size: int) -> None:
    one = header + b"7" * size
    assert len(frames_of(one)[0]) == 1
    for data in (one * 2, one + b"\n" + one, one * 3):
        assert "file holds several PNM images one after the other; split it" in frames_of(data)[1]


# File types


def box(kind: bytes, content: bytes) -> bytes:
    return (8 + len(content)).to_bytes(4, "big") + kind + content


def ftyp(*brands: bytes) -> bytes:
    return box(b"ftyp", brands[0] + bytes(4) + b"".join(brands[1:])) + box(b"free", bytes(600))


VIDEO_BRANDS = (
    b"isom iso2 iso6 mp41 mp42 avc1 M4V_ qt__ 3gp4 3gp5 3g2a 3ge6 dash cmfc XAVC MSNV f4v_ mj2s".split()
)
IMAGE_BRANDS = b"heic heix mif1 msf1 avif avis hevc".split()


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        *((ftyp(brand.replace(b"_", b" ")), "video") for brand in VIDEO_BRANDS),
        *((ftyp(brand), "image") for brand in IMAGE_BRANDS),
        (ftyp(b"abcd", b"isom"), "video"),
        (ftyp(b"abcd", b"isom", b"mif1"), "image"),
        (ftyp(b"isom", b"mif1"), "video"),
        (ftyp(b"crx ", b"crx ", b"isom"), "image"),
        (ftyp(b"abcd"), None),
        (ftyp(b"abcd", b"efgh"), None),
        (ftyp(b"\0\0\0\0"), None),
        (b"\0\0\0\x0cjP  \r\n\x87\n" + ftyp(b"jp2 "), "image"),
        (b"\0\0\0\x0cjP  \r\n\x87\n" + ftyp(b"mjp2"), "video"),
        ((b"abcdG" + bytes(187)) * 3, "video"),
        (b"\x1f\x07\0\x3f" + bytes(76) + b"\x3f\x07\0" + bytes(300), "video"),
        (b"\x1f\x07\0\xbf" + bytes(76) + b"\x3f\x07\0" + bytes(300), "video"),
        (b"\x1f\x07\0\xbf" + bytes(300), None),
        (b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01", "video"),
    ],
)
def test_kinds(head: bytes, kind: str | None) -> None:
    assert kind_of(head) == kind


def test_dv_is_a_video(tmp_path: Path) -> None:
    av = pytest.importorskip("av", reason="PyAV writes the video")
    path = tmp_path / "tape.dv"
    with av.open(str(path), "w", format="dv") as file:
        stream: Any = file.add_stream("dvvideo", rate=25)
        stream.width, stream.height, stream.pix_fmt = 720, 576, "yuv420p"
        for index in range(3):
            image = np.full((576, 720, 3), 40 * index, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        file.mux(stream.encode())
    data = path.read_bytes()
    assert kind_of(data[:512]) == "video"
    (tmp_path / "tape").write_bytes(data)  # by its content
    (tmp_path / "part.dv").write_bytes(data[5000:])  # by its name
    for name in ("tape.dv", "tape", "part.dv"):
        result = run(tmp_path / name, "-o", tmp_path / "t.csv")
        assert "is not an image" not in result.stderr
        assert "1 video" in result.stderr


RAW = {
    "Canon CR3": ftyp(b"crx ", b"crx ", b"isom"),
    "Canon CR2": b"II*\0\x10\0\0\0CR\x02\0" + bytes(500),
    "Fujifilm": b"FUJIFILMCCD-RAW 0201" + bytes(500),
    "Panasonic": b"IIU\0" + bytes(500),
    "Olympus": b"IIRO" + bytes(500),
}


@pytest.mark.parametrize("ending", [".jpg", ".mp4", ".tif", ""])
@pytest.mark.parametrize("name", RAW)
def test_raw_photos_are_named_in_errors(name: str, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"photo{ending}"
    path.write_bytes(RAW[name])
    result = run(path, "-o", tmp_path / "t.csv")
    assert result.exit_code == 1
    (row,) = rows_of(tmp_path / "t.csv")
    assert "is a raw photo" in str(row["error"])


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("tags", [[(50706, 1, 4, 1)], [(254, 4, 1, 1), (330, 4, 1, 8)], [(262, 3, 1, 32803)]])
def test_raw_photos_in_tiff(order: str, tags: list[tuple[int, int, int, int]]) -> None:
    data = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(tags))
    for tag, kind, count, value in tags:
        data += struct.pack(f"{order}HHI", tag, kind, count)
        data += struct.pack(f"{order}HH", value, 0) if kind == 3 else struct.pack(f"{order}I", value)
    with pytest.raises(ValueError, match="file is a raw photo"):
        decode_image(data + bytes(50), "file")


@pytest.mark.parametrize("brand", [b"abcd", b"\0\xff\x1b[", b"    "])
def test_an_unknown_brand_is_named(brand: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file.jpg"
    path.write_bytes(ftyp(brand))
    run(path, "-o", tmp_path / "t.csv")
    (row,) = rows_of(tmp_path / "t.csv")
    assert "has the unknown file type " + ascii(brand.decode("latin-1")) in str(row["error"])
    assert "\x1b" not in str(row["error"])


def test_frames_are_compared_by_identity() -> None:
    """Comparing pixels would give an array; frames may be in sets and dicts."""
    one, two = (Frame(0, 0.0, np.zeros((2, 3, 3), np.uint8)) for _ in range(2))
    assert one == one
    assert one != two
    assert one in [two, one]
    assert {one, two, one} == {two, one}
    assert len({one, two}) == 2
    assert hash(one) == hash(one)
