"""Accepted image types give the same faces, other types give a clear error."""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import png
import pytest
from images import BACKENDS, FAST, portrait
from mtcnn_cpp import Detections, Detector, read_image, sample_image
from mtcnn_cpp.media.image import decode_frames
from mtcnn_cpp.media.image.pixels import to_pixels, to_uint8
from mtcnn_cpp.media.image.read import SAMPLE

GREY = np.full((4, 5), 7, np.uint8)
FLOAT = np.full((4, 5, 3), 7.5, np.float32)


def changed(value: float, dtype: type = np.float32, background: float = 7.5) -> np.ndarray:
    image = np.full((4, 5, 3), background, dtype)
    image[2, 3, 1] = value
    return image


BAD = {
    "None": (None, TypeError, "got NoneType"),
    "list": ([[1, 2], [3, 4]], TypeError, "got list"),
    "bytes": (b"picture", ValueError, "<bytes> is not an image that OpenCV can read"),
    "rank 1": (
        np.zeros(5, np.uint8),
        ValueError,
        "image must be (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), got (5,) uint8",
    ),
    "rank 4": (np.zeros((1, 4, 5, 3), np.uint8), ValueError, "got (1, 4, 5, 3) uint8"),
    "two channels": (np.zeros((4, 5, 2), np.uint8), ValueError, "got (4, 5, 2) uint8"),
    "channels first": (
        np.zeros((3, 480, 640), np.float32),
        ValueError,
        "got (3, 480, 640) float32; for channels first use np.moveaxis(image, 0, -1)",
    ),
    "no rows": (
        np.zeros((0, 5, 3), np.uint8),
        ValueError,
        "image must have at least one pixel, got (0, 5, 3) uint8",
    ),
    "no columns": (np.zeros((5, 0), np.uint8), ValueError, "at least one pixel, got (5, 0) uint8"),
    "int64": (
        np.zeros((4, 5, 3), np.int64),
        TypeError,
        "image must be uint8, uint16, float32 or float64, got int64",
    ),
    "int8": (np.zeros((4, 5, 3), np.int8), TypeError, "got int8"),
    "uint32": (np.zeros((4, 5, 3), np.uint32), TypeError, "got uint32"),
    "bool": (np.zeros((4, 5, 3), np.bool_), TypeError, "got bool"),
    "float16": (np.zeros((4, 5, 3), np.float16), TypeError, "got float16"),
    "complex": (np.zeros((4, 5, 3), np.complex64), TypeError, "got complex64"),
    "object": (np.full((4, 5, 3), None), TypeError, "got object"),
    "NaN": (
        changed(np.nan),
        ValueError,
        "image must have finite values, found nan at row 2, column 3, channel 1",
    ),
    "Inf": (
        changed(np.inf),
        ValueError,
        "image must have finite values, found inf at row 2, column 3, channel 1",
    ),
    "-Inf, float64": (changed(-np.inf, np.float64), ValueError, "found -inf at row 2, column 3, channel 1"),
    "NaN, grey": (np.array([[1, np.nan]]), ValueError, "found nan at row 0, column 1, channel 0"),
    "above 255": (changed(255.5), ValueError, "values in 0…255, found 255.5 at row 2, column 3, channel 1"),
    "barely above 255": (
        changed(255.00000001, np.float64),
        ValueError,
        "found 255.00000001 at row 2, column 3",
    ),
    "below 0": (changed(-0.25), ValueError, "values in 0…255, found -0.25 at row 2, column 3, channel 1"),
    "-1…1": (
        changed(-0.5, background=0.5),
        ValueError,
        "found -0.5 at row 2, column 3, channel 1; map -1…1 to 0…255",
    ),
    "0…1": (
        changed(0.5, background=1.0),
        ValueError,
        "all lie in 0…1, and some are fractions: 0.5 at row 2, column 3, channel 1; multiply by 255",
    ),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("row", BAD)
def test_bad_image(row: str, backend: str) -> None:
    image, kind, message = BAD[row]
    with pytest.raises((TypeError, ValueError), match=re.escape(message)) as caught:
        Detector(backend=backend).detect(image)
    assert caught.type is kind


@pytest.mark.parametrize("color", ["BGR", "grey", None, 3])
def test_bad_color(color: object) -> None:
    with pytest.raises(ValueError, match="color must be 'bgr' or 'rgb', got"):
        Detector(backend="reference").detect(None, color=color)  # type: ignore[arg-type]


def test_checks_come_in_order() -> None:
    """Order: color, type, shape, dtype, values."""
    with pytest.raises(ValueError, match=r"got .* complex64"):
        to_pixels(np.zeros((4, 5, 2), np.complex64))
    with pytest.raises(ValueError, match="at least one pixel"):
        to_pixels(np.zeros((0, 5, 3), np.complex64))


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_float_image_of_integers_in_0_to_1_is_accepted(value: float) -> None:
    assert to_pixels(changed(1.0, background=value)).array.max() == 1


def test_bad_value_in_alpha_is_ignored() -> None:
    image = np.dstack([FLOAT, np.full((4, 5), np.nan, np.float32)])
    assert np.array_equal(to_pixels(image).array[..., :3], FLOAT)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shape", [(1, 1), (5, 5), (11, 11), (12, 12), (59, 300), (1, 10000), (10000, 1)])
def test_small_images_have_no_faces(shape: tuple[int, int], backend: str) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    faces = Detector(backend=backend).detect(noise)
    assert (faces.boxes.shape, faces.scores.shape, faces.landmarks.shape) == ((0, 4), (0,), (0, 5, 2))


def checkerboard(side: int) -> np.ndarray:
    y, x = np.mgrid[:72, :97] // side
    return ((x + y) % 2 * 255).astype(np.uint8)


HARMLESS = {
    "noise": np.random.default_rng(2).integers(0, 256, (72, 97, 3), np.uint8),
    "noise, float": np.random.default_rng(3).uniform(0, 255, (72, 97, 3)),
    "black": np.zeros((72, 97), np.uint8),
    "white": np.full((72, 97), 255, np.uint8),
    "checkerboard 1": checkerboard(1),
    "checkerboard 7": checkerboard(7),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", HARMLESS)
def test_odd_images_agree_with_the_reference(name: str, backend: str) -> None:
    """The thresholds are low, so that boxes pass all three networks."""
    assert Detector(backend=backend, **LAX).detect(HARMLESS[name]) == reference_faces(name)


LAX: dict[str, Any] = {"min_face": 20, "thresholds": (0.3, 0.05, 0.01)}


@functools.cache
def reference_faces(name: str) -> Detections:
    return Detector(backend="reference", **LAX).detect(HARMLESS[name])


@pytest.mark.parametrize("backend", BACKENDS)
def test_large_image(backend: str) -> None:
    """8000 x 6000 pixels, with a face about 1000 pixels wide."""
    faces = faces_of_large_image(backend)
    assert faces.image_size == (6000, 8000)
    assert len(faces) == 1
    assert faces == faces_of_large_image("reference")


@functools.cache
def faces_of_large_image(backend: str) -> Detections:
    image = np.repeat(np.repeat(sample_image()[:500, :500], 12, axis=0), 16, axis=1)
    return Detector(backend=backend, min_face=600).detect(image)


def found(image: object, color: str = "bgr", backend: str = FAST) -> Detections:
    return Detector(backend=backend, min_face=120).detect(image, color=color)  # type: ignore[arg-type]


@functools.cache
def faces_of_portrait() -> Detections:
    faces = found(portrait(), backend="reference")
    assert len(faces) == 1
    return faces


def wide(image: np.ndarray, factor: int) -> np.ndarray:
    """Return the same image with gaps in memory between pixels and rows."""
    height, width, channels = image.shape
    space = np.zeros((2 * height, factor * width, channels), image.dtype)
    space[::2, ::factor] = image
    return space[::2, ::factor]


def reversed_memory(image: np.ndarray, *axes: int) -> np.ndarray:
    return np.flip(np.ascontiguousarray(np.flip(image, axes)), axes)


def unaligned(image: np.ndarray) -> np.ndarray:
    memory = np.zeros(image.nbytes + 1, np.uint8)
    view = memory[1:].view(image.dtype).reshape(image.shape)
    view[...] = image
    return view


SAME = {
    "RGB": lambda p: (p[..., ::-1], "rgb"),
    "RGB, its own memory": lambda p: (np.ascontiguousarray(p[..., ::-1]), "rgb"),
    "BGRA": lambda p: (np.dstack([p, HARMLESS["noise"][0, 0, 0] + p[..., 0]]), "bgr"),
    "ABGR backwards": lambda p: (np.dstack([p[..., 0], p])[..., ::-1], "rgb"),
    "strides": lambda p: (wide(p, 3), "bgr"),
    "columns first in memory": lambda p: (np.asfortranarray(p), "bgr"),
    "rows backwards": lambda p: (reversed_memory(p, 0), "bgr"),
    "columns backwards": lambda p: (reversed_memory(p, 1), "bgr"),
    "all backwards": lambda p: (reversed_memory(p, 0, 1, 2), "bgr"),
    "float32": lambda p: (p.astype(np.float32), "bgr"),
    "float64": lambda p: (p.astype(np.float64), "bgr"),
    "float32, RGBA": lambda p: (np.dstack([p[..., ::-1], p[..., 0]]).astype(np.float32), "rgb"),
    "float32, unaligned": lambda p: (unaligned(p.astype(np.float32)), "bgr"),
    "float32, other byte order": lambda p: (p.astype(np.dtype(np.float32).newbyteorder()), "bgr"),
    "uint16": lambda p: (p.astype(np.uint16) * 256, "bgr"),
    "uint16, other byte order": lambda p: (
        (p.astype(np.uint16) * 256).astype(np.dtype(np.uint16).newbyteorder()),
        "bgr",
    ),
    "PIL RGB": lambda p: (PIL.Image.fromarray(np.ascontiguousarray(p[..., ::-1])), "bgr"),
    "PIL RGBA": lambda p: (PIL.Image.fromarray(np.ascontiguousarray(p[..., ::-1])).convert("RGBA"), "bgr"),
    "numpy subclass": lambda p: (p.view(type("Own", (np.ndarray,), {})), "bgr"),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("form", SAME)
def test_same_image_in_another_form(form: str, backend: str) -> None:
    image, color = SAME[form](portrait())
    assert found(image, color, backend) == faces_of_portrait()


@pytest.mark.parametrize("backend", BACKENDS)
def test_grey_is_three_equal_maps(backend: str) -> None:
    grey = portrait()[..., 1]
    faces = found(np.dstack([grey] * 3))
    assert len(faces) == 1
    for image in (grey, grey[..., np.newaxis], grey.astype(np.uint16) * 256, PIL.Image.fromarray(grey)):
        assert found(image, backend=backend) == faces
        assert found(image, "rgb", backend) == faces
    assert found(np.broadcast_to(grey[..., np.newaxis], portrait().shape), backend=backend) == faces


def test_fractions_of_16_bits_are_used() -> None:
    """65535 / 256 is 255.996…, not 255. The last bits change the scores."""
    assert to_pixels(np.full((2, 2, 3), 65535, np.uint16)).array.max() == np.float32(255.99609375)
    sixteen = portrait().astype(np.uint16) * 256
    assert found(sixteen + 255) != found(sixteen)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV"])
def test_pil_modes(mode: str) -> None:
    image = PIL.Image.fromarray(np.ascontiguousarray(portrait()[..., ::-1])).convert(mode)
    pixels = to_pixels(image)
    assert np.array_equal(to_uint8(pixels)[..., ::-1], np.asarray(image.convert("RGB")))


def test_pil_palette_with_transparency() -> None:
    image = PIL.Image.new("P", (4, 5), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    image.info["transparency"] = b"\x00\x80"
    assert (to_uint8(to_pixels(image)) == (30, 20, 10)).all()


def test_pil_floats_are_not_scaled() -> None:
    pixels = to_pixels(PIL.Image.new("F", (4, 5), 7.25))
    assert pixels.array.shape == (5, 4, 3)
    assert (pixels.array == np.float32(7.25)).all()


def test_pil_16_bits() -> None:
    sixteen = portrait()[..., 1].astype(np.uint16) * 256 + 77
    assert np.array_equal(to_pixels(PIL.Image.fromarray(sixteen)).array, to_pixels(sixteen).array)


def test_pil_32_bit_integers_are_refused() -> None:
    with pytest.raises(TypeError, match=r"mode 'I' .* no known range"):
        to_pixels(PIL.Image.new("I", (4, 5)))


def test_no_unnecessary_copy() -> None:
    image = np.zeros((8, 9, 4), np.uint8)
    image.flags.writeable = False
    for view in (image, image[..., :3], image[1:5, 2:7], image[::2, ::3, :3], image[..., 2::-1]):
        pixels = to_pixels(view)
        assert np.shares_memory(pixels.array, image)
        assert pixels.array.strides[2] == 1
        assert min(pixels.array.strides) > 0
    assert to_pixels(image[..., 2::-1]).is_rgb
    assert not to_pixels(image[..., 2::-1], "rgb").is_rgb
    assert np.shares_memory(to_pixels(FLOAT[:, 1:]).array, FLOAT)


def test_image_is_not_changed() -> None:
    image = portrait().copy()
    found(image)
    found(image[::-1])
    assert np.array_equal(image, portrait())


def test_to_uint8() -> None:
    red = np.zeros((2, 2, 3), np.uint8)
    red[..., 2] = 200
    for image, color in ((red, "bgr"), (red[..., ::-1], "rgb"), (red.astype(np.float64) + 0.25, "bgr")):
        drawn = to_uint8(to_pixels(image, color))
        assert np.array_equal(drawn, red)
        assert np.array_equal(to_uint8(to_pixels(image, color), "rgb"), red[..., ::-1])
        assert not np.shares_memory(drawn, image)


# Files


@pytest.fixture
def files(tmp_path: Path) -> Path:
    cv2 = pytest.importorskip("cv2")
    for suffix in ("png", "jpg", "bmp"):
        assert cv2.imwrite(str(tmp_path / f"face.{suffix}"), portrait())
    assert cv2.imwrite(str(tmp_path / "sixteen.png"), portrait().astype(np.uint16) * 256 + 77)
    assert cv2.imwrite(str(tmp_path / "grey.png"), portrait()[..., 1])
    (tmp_path / "gesicht äöü 顔.png").write_bytes((tmp_path / "face.png").read_bytes())
    return tmp_path


def test_sample_image_equals_opencv() -> None:
    """The sample image has its own PNG reader, which works without OpenCV."""
    expected = cv2.imread(str(SAMPLE))
    image = sample_image()
    assert (image.shape, image.dtype) == (expected.shape, expected.dtype) == ((512, 512, 3), np.uint8)
    assert image.tobytes() == expected.tobytes()
    assert image.flags.c_contiguous


@pytest.mark.parametrize("backend", BACKENDS)
def test_path(files: Path, backend: str) -> None:
    for path in (str(files / "face.png"), files / "gesicht äöü 顔.png"):
        assert found(path, "rgb", backend) == faces_of_portrait()
    assert found(files / "sixteen.png", backend=backend) == found(portrait().astype(np.uint16) * 256 + 77)
    assert found(files / "grey.png", backend=backend) == found(portrait()[..., 1])
    assert len(found(files / "face.jpg", backend=backend)) == 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_bad_files(files: Path, backend: str) -> None:
    (files / "empty.png").touch()
    (files / "text.png").write_text("no picture at all, only words")
    for name, kind, message in (
        ("missing.png", FileNotFoundError, "missing.png: there is no such image file"),
        ("", IsADirectoryError, "is a folder, expected an image file"),
        ("empty.png", ValueError, "empty.png is empty"),
        ("text.png", ValueError, "text.png is not an image that OpenCV can read"),
    ):
        with pytest.raises(kind, match=message):
            found(files / name, backend=backend)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp"])
def test_truncated_files(files: Path, suffix: str) -> None:
    data = (files / f"face.{suffix}").read_bytes()
    for kept in (1, 9, len(data) // 10, len(data) // 2, len(data) - 20, len(data) - 2):
        (files / f"part.{suffix}").write_bytes(data[:kept])
        with pytest.raises(ValueError, match=re.escape(f"part.{suffix} is ")):
            read_image(files / f"part.{suffix}")


def test_jpeg_with_thumbnail_and_trailing_data(files: Path) -> None:
    """The check ignores the end of the thumbnail and marker bytes after the end of the image."""
    data = (files / "face.jpg").read_bytes()
    thumbnail = b"\xff\xe1" + (len(data) + 2).to_bytes(2, "big") + data
    whole = data[:2] + thumbnail + data[2:]
    (files / "whole.jpg").write_bytes(whole + b"\xff\xda more")
    assert np.array_equal(read_image(files / "whole.jpg"), read_image(files / "face.jpg"))
    (files / "part.jpg").write_bytes(whole[:-100])
    with pytest.raises(ValueError, match=r"part\.jpg is truncated"):
        read_image(files / "part.jpg")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="nothing is forbidden to this user")
def test_file_that_may_not_be_read(files: Path) -> None:
    (files / "face.png").chmod(0)
    with pytest.raises(PermissionError, match=r"face\.png"):
        read_image(files / "face.png")


@pytest.mark.parametrize(
    "suffix",
    [
        "jpg",
        "png",
        pytest.param(
            "webp",
            marks=pytest.mark.skipif(
                not hasattr(cv2, "imdecodeanimation"), reason="this OpenCV does not read Exif data of WebP"
            ),
        ),
        "tiff",
    ],
)
def test_exif_orientation_of_file_and_pil_image(suffix: str, tmp_path: Path) -> None:
    """Both are read upright for every Exif orientation."""
    upright = PIL.Image.fromarray(np.ascontiguousarray(portrait()[:90, :100, ::-1]))
    shapes = set()
    for orientation in range(1, 9):
        exif = PIL.Image.Exif()
        exif[0x0112] = orientation
        file = tmp_path / f"{orientation}.{suffix}"
        upright.save(file, exif=exif, **({"lossless": True} if suffix == "webp" else {}))
        of_file, of_pil = to_pixels(file), to_pixels(PIL.Image.open(file))
        assert np.array_equal(of_file.array, of_pil.array[..., ::-1])
        assert of_pil.is_rgb is not of_file.is_rgb
        shapes.add(of_file.array.shape)
    assert shapes == {(90, 100, 3), (100, 90, 3)}


def test_file_errors_give_no_advice_for_arrays(tmp_path: Path) -> None:
    dark = tmp_path / "dark.hdr"
    cv2.imwrite(str(dark), np.full((9, 9, 3), 0.5, np.float32))
    message = r"dark.hdr: float image must have values in 0…255, .* save it with 8 or 16 bits per channel"
    with pytest.raises(ValueError, match=message) as caught:
        Detector().detect(dark)
    assert "multiply" not in str(caught.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names on this system")
def test_pipe_is_rejected_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ValueError, match=r"pipe.png is a special file, expected an image file"):
        Detector().detect(tmp_path / "pipe.png")


def test_opencv_prints_nothing_and_keeps_its_level(tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(png.encode(portrait())[:60] + b"IEND")
    code = f"""
import cv2
from mtcnn_cpp import read_image
log = getattr(getattr(cv2, "utils", None), "logging", cv2)
before = log.getLogLevel()
try:
    read_image({str(bad)!r})
except ValueError as error:
    pass
assert log.getLogLevel() == before != 0  # silent
cv2.imread("nowhere.png")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    lines = done.stderr.splitlines()  # OpenCV still prints messages for the user's own call
    (line,) = (line for line in lines if not line.startswith("libpng "))  # its messages cannot be disabled
    assert "nowhere.png" in line


def test_the_advice_for_other_objects_works() -> None:
    """The advice of the error gives the faces, not a second error."""
    cases: list[tuple[object, str, Any]] = [
        (
            portrait().tolist(),
            "got list; turn other containers into an array first: np.asarray(image, np.uint8)",
            lambda given: np.asarray(given, np.uint8),
        ),
    ]
    for image, message, advice in cases:
        with pytest.raises(TypeError, match=re.escape(message)):
            found(image)
        with pytest.raises(ValueError, match=re.escape(message)):
            Detector(backend="reference").detect_batch([image])  # type: ignore[list-item]
        assert found(advice(image)) == faces_of_portrait()
    with pytest.raises(TypeError, match=r"cv2\.imread returns None for a file that it cannot read"):
        found(None)


@pytest.mark.parametrize("several", [False, True])
def test_webp_with_opencv_before_4_12(several: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """OpenCV before 4.12 ignores Exif data of WebP files and reads one image of an animation: an error."""
    Image = PIL.Image
    monkeypatch.delattr(cv2, "imdecodeanimation", raising=False)
    image = Image.fromarray(np.ascontiguousarray(portrait()[..., ::-1]))
    plain, turned, moving = (tmp_path / f"{name}.webp" for name in ("plain", "turned", "moving"))
    exif = Image.Exif()
    exif[274] = 6
    image.save(plain, lossless=True)
    image.save(turned, lossless=True, exif=exif)
    image.save(moving, lossless=True, save_all=True, append_images=[image.rotate(9)])

    def read(path: Path) -> Any:
        return list(decode_frames(path.read_bytes(), str(path))) if several else read_image(path)

    assert len(read(plain)) == (1 if several else len(portrait()))
    with pytest.raises(ValueError, match=r"turned\.webp: OpenCV .* use opencv-python 4\.12 or newer"):
        read(turned)
    if several:
        with pytest.raises(ValueError, match=r"moving\.webp: OpenCV .* does not read animations"):
            read(moving)
