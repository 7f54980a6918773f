"""Detect faces in the images of Arrow tables, for Ray Data, Spark (`mapInArrow`) and Daft.

Each input row gives one output row.

    from mtcnn_cpp import Detector
    from mtcnn_cpp.jobs import arrow
    batch = arrow.detect(pyarrow.table({"path": ["a.jpg", "b.jpg"]}), Detector())
    batch["faces"]                              # a list of structs for each row
    arrow.to_table(batch)                       # one row per face, as `mtcnn-cpp detect` writes it

This module needs the package pyarrow (extra `table`).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ..detections.result import FACE_COLUMNS, Detections
from ..detector.detection import find_faces
from ..detector.parallel import map_parallel
from ..media.image import decode_image
from ..media.image.pixels import LimitedWarnings
from .sources import SOURCE_ERRORS, error_message, read_content
from .table.parquet import arrow_table, need_pyarrow
from .table.rows import COLUMN_TYPES, FrameResult, make_rows

if TYPE_CHECKING:
    from ..detector.detector import Detector

__all__ = ["detect", "schema", "to_table"]

Batch = TypeVar("Batch")  # pyarrow.Table or pyarrow.RecordBatch

# Columns that `detect` adds.
ADDED_COLUMNS = ("faces", "image_width", "image_height", "error")


def detect(
    batch: Batch, detector: Detector | None = None, *, path: str = "path", content: str = "bytes"
) -> Batch:
    """Add the faces of each image to a batch.

    Args:
        batch: A `pyarrow.Table` or `pyarrow.RecordBatch` with at least one of the columns `path` and
            `content`. If a row has content, its path is used only as a name.
        detector: Detector. None: a detector with OpenFace's options and one thread per available CPU.
        path: Name of the column with the paths of image files, or their addresses in an object store.
        content: Name of the column with the bytes of image files.

    Returns:
        The same rows in the same order, with four more columns. `faces` is a list of structs, one for each
        face, sorted by descending score. `image_width` and `image_height` are in pixels. `error` is an error
        message or null. If an image has no face, the list is empty. If an image is unreadable, `faces` is
        null. If a file contains several images, only the first image is used. The fields of a face are
        `face_id`, `confidence`, `x`, `y`, `width`, `height` and ten fields for the landmarks, as in a table
        of `mtcnn-cpp detect`. All of them except `face_id` are float32 with the same bits as the detector's
        result.

    Raises:
        TypeError: The batch is not an Arrow table, or one of the two columns has the wrong type.
        ValueError: Both columns are missing, or the batch already has a column with the name of a new column.
        MissingExtra: pyarrow is not installed.
    """
    pa = need_pyarrow("mtcnn_cpp.jobs.arrow")
    if not isinstance(batch, (pa.Table, pa.RecordBatch)):
        raise TypeError(f"batch must be a pyarrow.Table or RecordBatch, got {type(batch).__name__}")
    table: Any = batch
    paths, contents = _columns(pa, table, path, content)
    if detector is None:
        detector = _default_detector()
    results = _detect_rows(paths, contents, table.num_rows, detector, (path, content))
    for name, column in zip(ADDED_COLUMNS, _arrays(pa, list(results)), strict=True):
        table = table.append_column(pa.field(name, column.type), column)
    extended: Batch = table
    return extended


def schema(before: Any) -> Any:
    """Return the schema of the result of `detect`.

    Args:
        before: `pyarrow.Schema` of the batch.

    Returns:
        A `pyarrow.Schema` with four more columns (see `detect`).
    """
    pa = need_pyarrow("mtcnn_cpp.jobs.arrow")
    for name, column in zip(ADDED_COLUMNS, _arrays(pa, []), strict=True):
        before = before.append(pa.field(name, column.type))
    return before


def to_table(batch: Any, *, path: str = "path") -> Any:
    """Convert the result of `detect` to a table with one row per face.

    Args:
        batch: Result of `detect`.
        path: Name of the column with the names of the sources.

    Returns:
        A `pyarrow.Table` with the columns of a table of `mtcnn-cpp detect`. The numbers have the same bits as
        in `batch`. There is one row for each face. An image without a face has one row, and an unreadable
        image has one row.

    Raises:
        ValueError: A column is missing.
    """
    missing = [name for name in (path, *ADDED_COLUMNS) if name not in batch.schema.names]
    if missing:
        raise ValueError(
            f"the batch must have the columns {', '.join((path, *ADDED_COLUMNS))}, as detect returns them; "
            f"missing: {', '.join(missing)}"
        )
    columns = [batch.column(name).to_pylist() for name in (path, *ADDED_COLUMNS)]
    results = [_result(*values) for values in zip(*columns, strict=True)]
    return arrow_table([row for result in results for row in make_rows(result)])


@functools.cache
def _default_detector() -> Detector:
    from ..detector.detector import Detector

    return Detector()


def _columns(pa: Any, table: Any, path: str, content: str) -> tuple[Any, Any]:
    """Return the column with paths and the column with content. A missing column is None."""
    names: Sequence[str] = table.schema.names
    existing = [name for name in ADDED_COLUMNS if name in names]
    if existing:
        raise ValueError(f"the batch already has a column {', '.join(existing)}; rename or drop it")
    if path not in names and content not in names:
        raise ValueError(
            f"the batch has neither a column {path} (paths) nor a column {content} (bytes of image files); "
            f"its columns are: {', '.join(names) or 'none'}; set the name with path= or content="
        )
    kinds = pa.types
    text_types = kinds.is_string, kinds.is_large_string, kinds.is_string_view
    binary_types = kinds.is_binary, kinds.is_large_binary, kinds.is_binary_view, kinds.is_fixed_size_binary
    columns: list[Any] = []
    for name, types, expected in ((path, text_types, "text"), (content, binary_types, "binary")):
        if name not in names:
            columns.append(None)
            continue
        if names.count(name) > 1:
            raise ValueError(f"the batch has {names.count(name)} columns {name}, expected one")
        column = table.column(name)
        kind = column.type.value_type if kinds.is_dictionary(column.type) else column.type
        if not (kinds.is_null(kind) or any(is_type(kind) for is_type in types)):
            raise TypeError(f"the column {name} must be {expected}, got {column.type}")
        columns.append(column)
    return columns[0], columns[1]


def _detect_rows(
    paths: Any, contents: Any, count: int, detector: Detector, names: tuple[str, str]
) -> Iterator[FrameResult]:
    """Yield the result of each row, in order. Rows are processed in parallel."""
    engine = detector.engine
    cancellation = engine.backend.make_cancellation()
    warn = LimitedWarnings()

    def detect_row(index: int) -> FrameResult:
        path = None if paths is None else paths[index].as_py()
        data = None if contents is None else contents[index].as_py()
        name = f"row {index}" if path is None else path
        try:
            if data is None:
                if path is None:
                    raise ValueError(
                        f"{name}: expected a value in the column {' or '.join(names)}, found null"
                    )
                data = read_content(path)
            pixels = decode_image(data, name)
            faces = find_faces(engine, pixels, threads=1, cancellation=cancellation, warn=warn, file=name)
            return FrameResult(name, faces=faces)
        except SOURCE_ERRORS as error:
            return FrameResult(name, error=error_message(error))

    workers = max(1, min(engine.threads, count))
    with closing(
        map_parallel(detect_row, range(count), workers=workers, cancellation=cancellation)
    ) as results:
        yield from results


def _arrays(pa: Any, results: list[FrameResult]) -> tuple[Any, Any, Any, Any]:
    """Return one array for each of ADDED_COLUMNS."""
    detections = [result.faces for result in results]
    columns = [faces.columns() for faces in detections if faces is not None]
    dtypes: dict[str, Any] = {"int32": np.int32, "float32": np.float32}
    values = [
        pa.array(np.concatenate([np.empty(0, dtype), *(arrays[name] for arrays in columns)]).astype(dtype))
        for name, dtype in ((name, dtypes[COLUMN_TYPES[name]]) for name in FACE_COLUMNS)
    ]
    counts = [0 if faces is None else len(faces) for faces in detections]
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())
    faces = pa.ListArray.from_arrays(
        offsets,
        pa.StructArray.from_arrays(values, FACE_COLUMNS),
        mask=pa.array([faces is None for faces in detections], pa.bool_()),
    )
    sizes = [(None, None) if faces is None else faces.image_size for faces in detections]
    widths, heights = (pa.array([size[axis] for size in sizes], pa.int32()) for axis in (1, 0))
    errors = [result.error.encode(errors="backslashreplace").decode() or None for result in results]
    return faces, widths, heights, pa.array(errors, pa.string())


def _result(
    source: str | None, faces: list[dict[str, Any]] | None, width: int, height: int, error: str | None
) -> FrameResult:
    if faces is None:
        return FrameResult(source or "", error=error or "not processed: faces is null")
    values = np.array([[face[name] for name in FACE_COLUMNS[1:]] for face in faces], np.float32)
    values = values.reshape(len(faces), len(FACE_COLUMNS) - 1)
    detections = Detections(values[:, 1:5], values[:, 0], values[:, 5:].reshape(-1, 5, 2), (height, width))
    face_ids = tuple(face["face_id"] for face in faces)
    return FrameResult(source or "", faces=detections, error=error or "", face_ids=face_ids)
