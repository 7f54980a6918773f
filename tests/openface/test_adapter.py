"""The adapter alone, on any original: what would end its program is an error, what it prints is caught."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mtcnn_cpp import Detector, Model, sample_image
from mtcnn_cpp.reference.dat import write_network
from openface_stub import (
    INDEX,
    NEEDS_EXACT,
    NEEDS_INSTALLED_STUB,
    NEEDS_OPENFACE,
    NEEDS_STUB,
    PREFIX,
    openface,
)

pytestmark = NEEDS_OPENFACE

IMAGE = sample_image()
INPUT = np.zeros((48, 48, 3), np.float32)
NAN = np.where(np.arange(48 * 48 * 3).reshape(48, 48, 3) == 7, np.nan, np.float32(0.5)).astype(np.float32)
PICTURES: dict[str, tuple[Any, str]] = {
    "empty": (IMAGE[:0], "sides from 1"),
    "small": (IMAGE[:40, :40], r"more than 0.709 x min_face, which is 42 pixels, found 40 x 40"),
    "narrow": (np.zeros((20, 640, 3), np.uint8), "found 20 x 640"),
    "deep": (IMAGE.astype(np.uint16), r"found uint16 \(512, 512, 3\)"),
    "four": (np.zeros((90, 120, 4), np.uint8), r"found uint8 \(90, 120, 4\)"),
    "float": (np.full((90, 120, 3), np.nan, np.float32), "found float32"),
}


@pytest.fixture(scope="module")
def detector() -> Any:
    return openface.FaceDetectorMTCNN(str(INDEX))


@pytest.fixture(scope="module")
def onet() -> Any:
    return openface.CNN(write_network(Model.default().onet))


@NEEDS_INSTALLED_STUB
@pytest.mark.parametrize("kind", [*PICTURES, "nan", "tiny", "missing"])
def test_the_stub_ends_the_program(kind: str) -> None:
    """What the adapter guards against does happen when nobody does."""
    for word, signal in (("nothing", 0), (kind, 6)):
        done = subprocess.run([PREFIX / "bin" / "end", word, INDEX], capture_output=True)
        assert abs(done.returncode) == signal, word


@pytest.mark.parametrize("kind", PICTURES)
def test_a_picture_that_the_original_would_not_survive(detector: Any, kind: str) -> None:
    picture, message = PICTURES[kind]
    with pytest.raises(ValueError, match=message):
        detector.detect_faces(picture)


@pytest.mark.parametrize("side", [40, 42, 43, 59, 60])
def test_the_smallest_picture(detector: Any, side: int) -> None:
    picture = IMAGE[:side, :200]
    if side < 43:
        with pytest.raises(ValueError, match="OpenFace ends the program"):
            detector.detect_faces(picture)
    else:
        assert len(detector.detect_faces(picture)[0]) == 0
    for min_face in (10, 709, 1000):  # 709 of 1000 is where a last bit decides
        usable = side * 1000 > 709 * min_face
        if not usable:
            with pytest.raises(ValueError, match="min_face"):
                detector.detect_faces(picture, min_face)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (NAN, "NaN or infinity"),
        (np.full((48, 48, 3), np.inf, np.float32), "NaN or infinity"),
        (INPUT[:40, :40], "fc1: expected 1152 values"),
        (INPUT[:5, :5], "found 3"),
        (INPUT[:2], "conv1: expected 3 maps of at least 3 x 3"),
        (INPUT[:0], "sides from 1"),
        (INPUT[..., :2], r"expected \(H, W, 3\) float32"),
        (INPUT.astype(np.float64), "found float64"),
        (INPUT[0], "found float32"),
    ],
)
def test_an_input_that_no_network_takes(onet: Any, image: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        onet.inference(image)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda d: d.detect_faces(IMAGE, 0), ValueError, "min_face: expected 1 or more, found 0"),
        (lambda d: d.detect_faces(IMAGE, -5), ValueError, "min_face"),
        (lambda d: d.detect_faces(IMAGE, 1 << 40), TypeError, "incompatible"),
        (lambda d: d.detect_faces(IMAGE, t2=float("nan")), ValueError, "thresholds: .* found nan"),
        (lambda d: d.detect_faces(IMAGE, t3=1.5), ValueError, "thresholds"),
        (lambda d: d.detect_faces(IMAGE, 1, memory_limit=10**8), MemoryError, "100.0 MB"),
        (lambda d: d.detect_faces(IMAGE.tolist()), TypeError, "incompatible"),
        (lambda d: openface.FaceDetectorMTCNN().detect_faces(IMAGE), ValueError, r"call read\(location\)"),
        (lambda d: openface.FaceDetectorMTCNN("/no/where.txt"), FileNotFoundError, "/no/where.txt"),
        (lambda d: d.read("/no/where.txt"), FileNotFoundError, "/no/where.txt"),
        (lambda d: openface.CNN("/no/where.dat"), FileNotFoundError, "/no/where.dat"),
        (lambda d: openface.CNN(b"\1\0\0\0\5\0\0\0"), ValueError, "layer type 0, 1, 2, 3 or 4, found 5"),
    ],
)
def test_other_bad_input(
    detector: Any, call: Callable[[Any], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call(detector)
    assert len(detector.detect_faces(IMAGE)[0]) == 1  # as usable as before


def test_damaged_models(tmp_path: Path) -> None:
    Model.default().save(tmp_path)
    index = tmp_path / "MTCNN_detector.txt"
    detector = openface.FaceDetectorMTCNN(str(index))
    (tmp_path / "RNet.dat").write_bytes((tmp_path / "RNet.dat").read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"RNet\.dat: byte \d+: expected"):
        detector.read(str(index))
    (tmp_path / "RNet.dat").unlink()
    with pytest.raises(FileNotFoundError, match=r"RNet\.dat"):
        openface.FaceDetectorMTCNN(str(index))
    assert len(detector.detect_faces(IMAGE)[0]) == 1  # what it had before it was told to read


@NEEDS_STUB
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("throw", "threw cv::Exception: .*asked to throw"),
        ("throw-std", "OpenFace threw: stub: asked to throw"),
        ("throw-int", "no std::exception"),
        ("print,throw", "OpenFace printed: stub: printed on std::cout"),
    ],
)
def test_what_the_original_throws(
    detector: Any, onet: Any, monkeypatch: pytest.MonkeyPatch, fault: str, message: str
) -> None:
    monkeypatch.setenv("MTCNN_STUB", fault)
    for call in (lambda: detector.detect_faces(IMAGE), lambda: onet.inference(INPUT)):
        with pytest.raises(openface.OpenFaceError, match=message) as caught:
            call()
        assert "\n" not in str(caught.value)
    monkeypatch.delenv("MTCNN_STUB")
    assert len(detector.detect_faces(IMAGE)[0]) == 1


@NEEDS_STUB
def test_a_result_of_another_shape(onet: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTCNN_STUB", "extra-map")
    with pytest.raises(openface.OpenFaceError, match="gave 2 matrices of 1 x 16, expected 16 values"):
        onet.inference(INPUT)


def test_it_prints_nothing(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTCNN_STUB", "print")
    detector = openface.FaceDetectorMTCNN(str(INDEX))
    network = openface.CNN(str(INDEX.parent / "ONet.dat"))
    detector.detect_faces(IMAGE)
    network.inference(INPUT)
    print("after", flush=True)
    assert capfd.readouterr() == ("after\n", "")


def test_closed_streams() -> None:
    """A process without standard output and error, as daemons are."""
    code = f"""
import os, sys
os.close(1), os.close(2)
from openface_stub import openface
openface.FaceDetectorMTCNN({str(INDEX)!r})
sys.exit(7)
"""
    import sys

    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1] / "helpers"), *sys.path])
    }
    done = subprocess.run([sys.executable, "-c", code], env=environment)
    assert done.returncode == 7


@NEEDS_EXACT
def test_pixels_are_copied(detector: Any) -> None:
    """Any strides, and gray; the array stays as it was."""
    expected = Detector().detect(IMAGE).boxes
    wide = np.zeros((512, 1024, 3), np.uint8)
    wide[:, ::2] = IMAGE
    strided = wide[:, ::2]
    boxes, scores = detector.detect_faces(strided)
    assert boxes.tobytes() == expected.tobytes()
    assert (boxes.dtype, scores.dtype, boxes.flags.owndata) == (np.float32, np.float32, True)
    assert (strided == IMAGE).all()
    gray = np.ascontiguousarray(IMAGE[..., 1])
    assert detector.detect_faces(gray)[0].tobytes() == Detector().detect(gray).boxes.tobytes()


def test_two_threads_on_one_object(detector: Any, onet: Any) -> None:
    expected = detector.detect_faces(IMAGE)[0].tobytes(), onet.inference(INPUT).tobytes()
    found: list[tuple[bytes, bytes]] = []

    def work() -> None:
        for _ in range(5):
            found.append((detector.detect_faces(IMAGE)[0].tobytes(), onet.inference(INPUT).tobytes()))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 20


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Python's own, of forks beside threads
def test_fork(detector: Any) -> None:
    """The child is told to make its own; with its own it works."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            detector.detect_faces(IMAGE)
            words = "no error"
        except openface.OpenFaceError as error:
            words = str(error)
        count = len(openface.FaceDetectorMTCNN(str(INDEX)).detect_faces(IMAGE)[0])
        os.write(write, f"{words}; {count} face".encode())
        os._exit(0)
    os.waitpid(child, 0)
    words = os.read(read, 1000).decode()
    assert f"expected to be called in process {os.getpid()}" in words
    assert words.endswith("create another one here; 1 face")


@NEEDS_EXACT
@pytest.mark.parametrize("shape", [(1, 12), (3, 16), (40, 33)])
def test_sums_of_random_networks(shape: tuple[int, int]) -> None:
    """Convolutions and fully connected layers of other sizes than MTCNN's, with values that cancel."""
    from mtcnn_cpp.model import Conv2d, FullyConnected, Network
    from mtcnn_cpp.reference.network import forward

    maps, outputs = shape
    generator = np.random.default_rng(maps)

    def draw(*sizes: int) -> np.ndarray:
        return (generator.normal(size=sizes) * 10.0 ** generator.integers(-3, 4, sizes)).astype(np.float32)

    network = Network(
        (Conv2d(draw(maps, 3, 2, 2), draw(maps)), FullyConnected(draw(maps * 25, outputs), draw(outputs)))
    )
    inputs = draw(3, 6, 6)
    found = openface.CNN(write_network(network)).inference(
        np.ascontiguousarray(inputs[::-1].transpose(1, 2, 0))
    )
    expected = forward(network, inputs[None])[0]
    assert found.tobytes() == expected.tobytes()
