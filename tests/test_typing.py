"""What a type checker tells a user. Needs mypy (in the extra `dev`)."""

from __future__ import annotations

from pathlib import Path

import pytest

api = pytest.importorskip("mypy.api", reason="needs mypy: pip install '.[dev]'")

RIGHT = """
import io
from pathlib import Path
import numpy as np
import numpy.typing as npt
from mtcnn_cpp import Detections, Detector, FaceDetectorMTCNN, MissingExtra, Model, MtcnnError, sample_image
from mtcnn_cpp.compat import facenet_pytorch, mtcnn as compat_mtcnn
from mtcnn_cpp.trace import Trace, compare

d = Detector(min_face=40, backend="reference")
faces: Detections = d.detect(sample_image())
d(Path("a.png"))
d.detect_batch(["a.png", np.zeros((9, 9), np.uint16), b"", io.BytesIO(), memoryview(b"")])
with open("a.png", "rb") as file:
    d.detect(file)
class Tensor:
    def __dlpack__(self, *, stream: int | None = None) -> object:
        return stream
    def __dlpack_device__(self) -> tuple[int, int]:
        return 1, 0
d.detect(Tensor())
mask: list[bool] = [True]
largest: Detections = faces.largest(2).filter(min_score=0.5).clip()[mask]
with d.hook("final/*", lambda name, array: print(name, array.max())):
    d.detect("a.png", color="rgb")
face: float = float(faces[0].left_eye[0])
regions, confidences = FaceDetectorMTCNN(original=False).detect_faces(sample_image(), 40)
original = Detector(backend="openface", threads=None, memory_limit=None)
everything: list[Detections | Exception] = d.detect_batch(["a.png"], on_error="return")
without_failures: list[Detections] = d.detect_batch(["a.png"], on_error="skip")
for each in d.detect_stream(["a.png"], on_error="return"):
    count: int = 0 if isinstance(each, Exception) else len(each)
for frame in d.detect_video("clip.mp4", every=5):
    position: tuple[int, float, int] = frame.index, frame.time, len(frame.faces)
with Trace.load(Path("gold.npz")) as trace:
    report = compare(trace, d.trace(sample_image()), tolerances="4ulp")
    passed: bool = report.ok
same: bool = Model.default() == d.model
none: Detections = Detections.empty((480, 640))
aligned: list[npt.NDArray[np.uint8]] = faces.aligned(sample_image(), size=112, color="bgr")
try:
    faces.to_pandas()
except MissingExtra as error:
    message: str = str(error)
except MtcnnError:
    raise
mtcnn = facenet_pytorch.MTCNN(keep_all=True)
found = compat_mtcnn.MTCNN().detect_faces(sample_image()[..., ::-1])
"""
WRONG = {
    "d.detect(42)": 'has incompatible type "int"',
    "d.detect(None)": 'has incompatible type "None"',
    "d.detect([[1, 2]])": 'has incompatible type "list[list[int]]"',
    'd.detect("a.png", color="gbr")': "has incompatible type \"Literal['gbr']\"",
    'Detector(backend="gpu")': "has incompatible type \"Literal['gpu']\"",
    "d.min_face = 200": "is read-only",
    'd.trace("a.png", capture="all")': "has incompatible type \"Literal['all']\"",
}


def test_right_uses_pass_and_wrong_ones_are_found(tmp_path: Path) -> None:
    """In one test, so that the second check finds the first one's cache."""
    assert check(RIGHT, tmp_path).startswith("Success")
    lines = check(RIGHT + "\n".join(WRONG) + "\n", tmp_path).splitlines()
    assert len(lines) == len(WRONG) + 1
    for line, message in zip(lines, WRONG.values(), strict=False):
        assert message in line


def check(code: str, folder: Path) -> str:
    file = folder / "user.py"
    file.write_text(code, encoding="utf-8")
    out, errors, _ = api.run(["--strict", "--cache-dir", str(folder / "cache"), str(file)])
    assert not errors
    return str(out)
