"""Images in memory: the content of image files, and tensors and arrays of other libraries."""

from __future__ import annotations

import functools
import io
import pickle
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from images import portrait
from mtcnn_cpp import Detections, Detector, FaceDetectorMTCNN, annotate
from mtcnn_cpp.media.image.opencv import encode_png
from mtcnn_cpp.media.image.pixels import to_pixels
from mtcnn_cpp.media.image.read import MAX_IMAGE_FILE_SIZE, read_content
from mtcnn_cpp.ports.doctor.preparations import input_sources

DETECTOR = Detector()
PNG = encode_png(portrait())


@functools.cache
def faces_of_portrait() -> Detections:
    faces = DETECTOR.detect(portrait())
    assert len(faces) == 1
    return faces


def gap_of(data: bytes) -> memoryview:
    """Return a memoryview of the data that is not contiguous."""
    spread = bytearray(2 * len(data))
    spread[::2] = data
    return memoryview(spread)[::2]


CONTENT: dict[str, Callable[[bytes], Any]] = {
    "bytes": bytes,
    "bytearray": bytearray,
    "memoryview": memoryview,
    "gaps": gap_of,
    "BytesIO": io.BytesIO,
    "array of bytes": lambda data: memoryview(np.frombuffer(data, np.uint8)),
}


@pytest.mark.parametrize("kind", CONTENT)
@pytest.mark.parametrize("color", ["bgr", "rgb"])
def test_content_is_decoded_as_a_file(kind: str, color: Any) -> None:
    assert DETECTOR.detect(CONTENT[kind](PNG), color=color) == faces_of_portrait()


@pytest.mark.parametrize("suffix", ["jpg", "png", "tiff", "bmp"])
def test_content_gives_the_pixels_of_the_file(suffix: str, tmp_path: Path) -> None:
    """They are equal in every bit, also for 16 bits and a rotation by Exif."""
    path = tmp_path / f"a.{suffix}"
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.fromarray(np.ascontiguousarray(portrait()[:50, :60])).save(path, exif=exif)
    with path.open("rb") as file, path.open("rb", buffering=0) as raw, tempfile.TemporaryFile() as copy:
        copy.write(path.read_bytes())
        copy.seek(0)
        for given in (path.read_bytes(), file, raw, copy):
            assert np.array_equal(to_pixels(given).array, to_pixels(path).array)


def test_a_file_object_is_read_from_its_position() -> None:
    file = io.BytesIO(b"header" + PNG)
    file.seek(6)
    assert DETECTOR.detect(file) == faces_of_portrait()
    message = r"^<BytesIO> is at its end, expected an image file; use seek\(0\) to read it again$"
    with pytest.raises(ValueError, match=message):
        DETECTOR.detect(file)
    file.seek(6)
    assert annotate(file, faces_of_portrait()).shape == portrait().shape


def test_16_bit_content_warns_with_its_name(tmp_path: Path) -> None:
    data = encode_png((portrait().astype(np.uint16) << 4)[:40])  # type: ignore[arg-type]
    (tmp_path / "a.png").write_bytes(data)
    with pytest.warns(UserWarning, match="^<bytes>: uint16 image has values in 0…4095 only"):
        DETECTOR.detect(data)
    with (tmp_path / "a.png").open("rb") as file, pytest.warns(UserWarning, match="12-bit") as caught:
        DETECTOR.detect(file)
    assert str(caught[0].message).startswith(f"{tmp_path / 'a.png'}: uint16 image")


def test_wrong_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "a.txt").write_text("text")
    with (tmp_path / "a.png").open(encoding="utf-8") as image, (tmp_path / "a.txt").open() as text:
        for file in (image, text):
            message = f'{file.name}: expected a file opened in binary mode, for example by open(path, "rb"); '
            with pytest.raises(TypeError, match=re.escape(message)):
                DETECTOR.detect(file)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^<bytes> is empty, expected an image file$"):
        DETECTOR.detect(b"")
    with pytest.raises(ValueError, match=r"^<bytearray> is truncated: the image is not complete after"):
        DETECTOR.detect(bytearray(PNG[:60]))
    with pytest.raises(ValueError, match=r"^<bytes> is not an image that OpenCV can read"):
        DETECTOR.detect(b"no image")
    pixels = memoryview(portrait())
    with pytest.raises(
        TypeError, match=r"got a memoryview of shape \(160, 176, 3\) .* pass np.asarray\(image\)"
    ):
        DETECTOR.detect(pixels)
    assert DETECTOR.detect(np.asarray(pixels)) == faces_of_portrait()
    with pytest.raises(TypeError, match="items of 4 bytes"):
        DETECTOR.detect(memoryview(np.zeros(9, np.float32)))
    with pytest.raises(ValueError, match="color must be 'bgr' or 'rgb', got 'gbr'"):
        DETECTOR.detect(PNG, color="gbr")  # type: ignore[arg-type]
    monkeypatch.setattr("mtcnn_cpp.media.image.read.MAX_IMAGE_FILE_SIZE", len(PNG) - 1)
    for given in (PNG, io.BytesIO(PNG)):
        with pytest.raises(ValueError, match=rf"> ?: expected a file of at most {len(PNG) - 1} bytes"):
            read_content(given)
    assert MAX_IMAGE_FILE_SIZE == 2**31 - 1


def test_content_in_batches_and_traces() -> None:
    found = DETECTOR.detect_batch([PNG, io.BytesIO(PNG), portrait()])
    assert found == [faces_of_portrait()] * 3
    for single in (PNG, bytearray(PNG), memoryview(PNG), io.BytesIO(PNG)):
        with pytest.raises(TypeError, match=rf"got one image \({type(single).__name__}\); use detect"):
            DETECTOR.detect_batch(single)  # type: ignore[arg-type]
    trace = DETECTOR.trace(io.BytesIO(PNG))
    assert np.array_equal(trace["final/boxes"], faces_of_portrait().boxes)
    boxes, _ = FaceDetectorMTCNN().detect_faces(PNG)
    assert np.array_equal(boxes, faces_of_portrait().boxes)
    assert faces_of_portrait().crops(PNG)[0].shape == faces_of_portrait().crops(portrait())[0].shape
    of_file, of_array = (input_sources("rnet", image, 60) for image in (io.BytesIO(PNG), portrait()))
    assert [source.name for source in of_file] == [source.name for source in of_array] != []
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(of_file, of_array, strict=True))
    faces = DETECTOR.detect(PNG)
    assert faces.image is None
    assert pickle.loads(pickle.dumps(faces)) == faces


# Tensors


class Tensor:
    """A tensor of another library: no NumPy array, but DLPack."""

    def __init__(self, array: np.ndarray, device: int = 1) -> None:
        self._array = array
        self._device = device
        self.ndim = array.ndim

    def __dlpack__(self, **options: Any) -> Any:
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._device, 0


class Converted:
    """An array of another library that has only `__array__`."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self._array


@pytest.mark.parametrize("make", [Tensor, Converted])
def test_arrays_of_other_libraries(make: Callable[[np.ndarray], Any]) -> None:
    image = portrait().copy()
    rgb = np.ascontiguousarray(image[..., ::-1])
    for given, array, color in (
        (make(image), image, "bgr"),
        (make(rgb), rgb, "rgb"),
        (make(image[..., 1].copy()), image[..., 1], "bgr"),
        (make(image.astype(np.float32)), image.astype(np.float32), "bgr"),
        (make(image.astype(np.float64)), image.astype(np.float64), "bgr"),
        (make(image.astype(np.uint16) * 256), image.astype(np.uint16) * 256, "bgr"),
        (make(image[::2, ::-1]), image[::2, ::-1], "bgr"),
    ):
        found, expected = to_pixels(given, color), to_pixels(array, color)
        assert found.array.dtype == expected.array.dtype
        assert np.array_equal(found.array, expected.array)
        assert (found.is_rgb, found.given) == (expected.is_rgb, expected.given)
    assert DETECTOR.detect(make(rgb), color="rgb") == faces_of_portrait()
    assert np.shares_memory(to_pixels(make(image)).array, image)
    assert np.array_equal(
        annotate(make(rgb), faces_of_portrait(), color="rgb"), annotate(rgb, faces_of_portrait(), color="rgb")
    )
    with pytest.raises(ValueError, match=r"got \(3, 160, 176\) uint8; for channels first use np\.moveaxis"):
        to_pixels(make(np.ascontiguousarray(image.transpose(2, 0, 1))))
    with pytest.raises(TypeError, match=r"got int32; use image\.astype\(np\.uint8\)"):
        to_pixels(make(image.astype(np.int32)))


def test_devices() -> None:
    for device in (1, 3, 11, 13):
        assert np.array_equal(to_pixels(Tensor(portrait(), device)).array, portrait())
    for device in (2, 4, 7, 8, 10):
        with pytest.raises(
            TypeError, match="image is on the device other than the CPU, expected the CPU; copy it"
        ):
            to_pixels(Tensor(portrait(), device))


def test_a_tensor_is_one_image_in_a_batch() -> None:
    with pytest.raises(TypeError, match=r"got one image \(Tensor\)"):
        DETECTOR.detect_batch(Tensor(portrait()))  # type: ignore[arg-type]
    assert DETECTOR.detect_batch([Tensor(portrait())]) == [faces_of_portrait()]


def test_objects_that_numpy_cannot_convert() -> None:
    class Closed(Converted):
        def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
            raise RuntimeError("the array is closed")

    with pytest.raises(TypeError, match="got Closed; NumPy cannot convert it: the array is closed"):
        to_pixels(Closed(portrait()))


def test_torch() -> None:
    torch = pytest.importorskip("torch", reason="needs torch: pip install torch")
    rgb = np.ascontiguousarray(portrait()[..., ::-1])
    image = torch.from_numpy(rgb)
    assert DETECTOR.detect(image, color="rgb") == faces_of_portrait()
    assert DETECTOR.detect(image.to(torch.float32), color="rgb") == faces_of_portrait()
    first = image.permute(2, 0, 1).contiguous()
    assert DETECTOR.detect(first.permute(1, 2, 0), color="rgb") == faces_of_portrait()
    assert DETECTOR.detect_batch(torch.stack([image, image]), color="rgb") == [faces_of_portrait()] * 2
    faces = DETECTOR.detect(image, color="rgb")
    assert faces.image is not None
    assert faces.image() is image  # type: ignore[operator]
    assert to_pixels(torch.full((4, 5, 3), 25600, dtype=torch.uint16)).array.max() == 100
    with pytest.warns(UserWarning, match="10-bit"):
        to_pixels(torch.full((4, 5, 3), 512, dtype=torch.uint16))
    with pytest.raises(
        ValueError, match=r"got \(3, 160, 176\) uint8; for channels first use image\.permute\(1, 2, 0\)"
    ):
        DETECTOR.detect(first)
    with pytest.raises(ValueError, match=r"all lie in 0…1, .*; multiply by 255$"):
        DETECTOR.detect(image / 255)
    with pytest.raises(
        ValueError, match=r"got \(1, 160, 176, 3\) uint8; for a batch of images use detect_batch"
    ):
        DETECTOR.detect(image[None])
    with pytest.raises(TypeError, match=r"requires gradients, expected plain values; pass image\.detach\(\)"):
        DETECTOR.detect(image.to(torch.float32).requires_grad_())
    with pytest.raises(TypeError, match=r"got float16; use image\.to\(torch\.uint8\)"):
        DETECTOR.detect(image.half())
    with pytest.raises(TypeError, match=r"got Tensor; NumPy cannot convert it: .*BFloat16"):
        DETECTOR.detect(image.to(torch.bfloat16))
    with pytest.raises(TypeError, match=r"on the device meta, expected the CPU; pass image\.cpu\(\)"):
        DETECTOR.detect(image.to("meta"))
    with pytest.raises(TypeError, match=r"got one image \(Tensor\)"):
        DETECTOR.detect_batch(image)


def test_torch_is_not_imported() -> None:
    script = (
        "import io, sys; from mtcnn_cpp import Detector, sample_image; image = sample_image()\n"
        "class Tensor:\n"
        "    __dlpack__, __dlpack_device__ = image.__dlpack__, image.__dlpack_device__\n"
        "assert Detector().detect(Tensor()) == Detector().detect(image)\n"
        "assert 'torch' not in sys.modules and 'PIL' not in sys.modules and 'cv2' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
