"""What a type checker tells a user. Needs mypy (in the extra `dev`)."""

from __future__ import annotations

from pathlib import Path

import pytest

api = pytest.importorskip("mypy.api", reason="needs mypy: pip install '.[dev]'")

RIGHT = """
from pathlib import Path
import numpy as np
from mtcnn_cpp import Detections, Detector, FaceDetectorMTCNN, sample_image

d = Detector(min_face=40, backend="reference")
faces: Detections = d.detect(sample_image())
d(Path("a.png"))
d.detect_batch(["a.png", np.zeros((9, 9), np.uint16)])
with d.hook("final/*", lambda name, array: print(name, array.max())):
    d.detect("a.png", color="rgb")
face: float = float(faces[0].left_eye[0])
regions, confidences = FaceDetectorMTCNN(original=False).detect_faces(sample_image(), 40)
original = Detector(backend="openface")
"""
WRONG = {
    "d.detect(42)": 'has incompatible type "int"',
    "d.detect(None)": 'has incompatible type "None"',
    'd.detect("a.png", color="gbr")': "has incompatible type \"Literal['gbr']\"",
    'Detector(backend="gpu")': "has incompatible type \"Literal['gpu']\"",
    "d.min_face = 200": "is read-only",
    'd.trace("a.png", capture="all")': "has incompatible type \"Literal['all']\"",
}


def check(code: str, folder: Path) -> str:
    file = folder / "user.py"
    file.write_text(code, encoding="utf-8")
    out, errors, _ = api.run(["--strict", "--cache-dir", str(folder / "cache"), str(file)])
    assert not errors
    return str(out)


def test_right_uses_pass(tmp_path: Path) -> None:
    assert check(RIGHT, tmp_path).startswith("Success")


def test_wrong_uses_are_found(tmp_path: Path) -> None:
    lines = check(RIGHT + "\n".join(WRONG) + "\n", tmp_path).splitlines()
    assert len(lines) == len(WRONG) + 1
    for line, message in zip(lines, WRONG.values(), strict=False):
        assert message in line
