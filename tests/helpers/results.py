"""Frame results for the tests of tables and tracking."""

from __future__ import annotations

import io
from importlib.util import find_spec

import numpy as np
import pytest
from mtcnn_cpp import Detections
from mtcnn_cpp.jobs.table import TableFormat
from mtcnn_cpp.jobs.table.formats import make_writer
from mtcnn_cpp.jobs.table.rows import FrameResult, table_columns

NO_PYARROW = pytest.mark.skipif(not find_spec("pyarrow"), reason="needs pyarrow, of the extra 'table'")
FORMATS = [
    pytest.param(format, marks=NO_PYARROW if format is TableFormat.parquet else (), id=format.value)
    for format in TableFormat
]


def some_faces(count: int, seed: int = 0) -> Detections:
    """Faces with random numbers of many magnitudes, so that their decimal texts are long."""
    draw = np.random.default_rng(seed)

    def numbers(*shape: int) -> np.ndarray:
        return (draw.normal(size=shape) * 10.0 ** draw.integers(-6, 6, shape)).astype(np.float32)

    scores = draw.random(count, np.float32)
    return Detections(numbers(count, 4), scores, numbers(count, 5, 2), (480, 640))


def faces_from_boxes(*boxes: tuple[float, float, float, float]) -> Detections:
    """Return faces with these boxes, sorted by descending score; the other numbers are random."""
    faces = some_faces(len(boxes))
    scores = np.linspace(1, 0.8, len(boxes), dtype=np.float32)
    return Detections(np.array(boxes, np.float32).reshape(-1, 4), scores, faces.landmarks, (480, 640))


def write_results(format: TableFormat, results: list[FrameResult]) -> bytes:
    stream = io.BytesIO()
    columns = table_columns({name for result in results for name in result.files})
    writer = make_writer(format, stream, columns=columns)
    for result in results:
        writer.add(result)
    writer.close()
    return stream.getvalue()
