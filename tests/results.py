"""Results that the tests of tables and tracking use."""

from __future__ import annotations

import io
from importlib.util import find_spec

import numpy as np
import pytest
from mtcnn_cpp import Detections
from mtcnn_cpp.table import Format, Result, make_writer

NO_PYARROW = pytest.mark.skipif(not find_spec("pyarrow"), reason="needs pyarrow, of the extra 'table'")
FORMATS = [
    pytest.param(format, marks=NO_PYARROW if format is Format.parquet else (), id=format.value)
    for format in Format
]


def some_faces(count: int, seed: int = 0) -> Detections:
    """Faces with any bits: numbers of every size, so that their decimals are long."""
    draw = np.random.default_rng(seed)

    def numbers(*shape: int) -> np.ndarray:
        return (draw.normal(size=shape) * 10.0 ** draw.integers(-6, 6, shape)).astype(np.float32)

    scores = draw.random(count, np.float32)
    return Detections(numbers(count, 4), scores, numbers(count, 5, 2), (480, 640))


def boxed(*boxes: tuple[float, float, float, float]) -> Detections:
    """Faces with these boxes, best first; the other numbers are any."""
    faces = some_faces(len(boxes))
    scores = np.linspace(1, 0.8, len(boxes), dtype=np.float32)
    return Detections(np.array(boxes, np.float32).reshape(-1, 4), scores, faces.landmarks, (480, 640))


def written(format: Format, results: list[Result]) -> bytes:
    stream = io.BytesIO()
    writer = make_writer(format, stream)
    for result in results:
        writer.add(result)
    writer.close()
    return stream.getvalue()
