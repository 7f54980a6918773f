"""Faces in Arrow tables, one row in, one row out: for Ray Data, Spark (`mapInArrow`), Daft.

    from mtcnn_cpp import Detector, arrow
    found = arrow.detect(pyarrow.table({"path": ["a.jpg", "b.jpg"]}), Detector())
    found["faces"]                              # a list of structs for each row
    arrow.to_table(found)                       # one row a face, as `mtcnn-cpp detect` writes it

Needs pyarrow (extra `table`).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from .batch import in_parallel
from .detections import FACE_COLUMNS, Detections
from .find_faces import find_faces
from .image import LimitedWarnings, decode_image
from .jobs.content import FAILURES, read_content, words
from .table import KINDS, Result, rows
from .table.parquet import arrow_table, need_pyarrow

if TYPE_CHECKING:
    from .detector import Detector

Batch = TypeVar("Batch")  # pyarrow.Table or pyarrow.RecordBatch

ADDED = ("faces", "image_width", "image_height", "error")


def detect(
    batch: Batch, detector: Detector | None = None, *, path: str = "path", content: str = "bytes"
) -> Batch:
    """The batch with columns added: `faces`, a list of structs, best face first; `image_width` and
    `image_height` in pixels; `error`, in words.

    batch: a `pyarrow.Table` or `RecordBatch`. detector: None for one with OpenFace's options, on as many
    threads as this process may use CPUs. path: the column of paths, or of addresses in an object store.
    content: the column of the bytes of image files. One of the two must be there; where a row has bytes they
    are decoded, and its path is only a name.

    The rows stay as they are, in number and order. A picture without a face has an empty list; one that
    cannot be read has null for its faces, and an `error`, which is null otherwise. Of several pictures in one
    file the first is looked at. The fields of a face are `face_id`, `confidence`, `x`, `y`, `width`, `height`
    and ten of landmarks, as in `mtcnn_cpp.table`: float32, the detector's own bits.

    Raises TypeError for anything but a table, or a column of another type; ValueError if neither column is
    there, or one of the new names is taken; ImportError without pyarrow.
    """
    pa = need_pyarrow("mtcnn_cpp.arrow")
    if not isinstance(batch, (pa.Table, pa.RecordBatch)):
        raise TypeError(f"batch must be a pyarrow.Table or RecordBatch, got {type(batch).__name__}")
    table: Any = batch
    paths, contents = _columns(pa, table, path, content)
    if detector is None:
        detector = _default()
    results = _look(paths, contents, table.num_rows, detector, (path, content))
    for name, column in zip(ADDED, _arrays(pa, list(results)), strict=True):
        table = table.append_column(pa.field(name, column.type), column)
    found: Batch = table
    return found


def schema(before: Any) -> Any:
    """The `pyarrow.Schema` of what `detect` gives for a batch with the schema `before`."""
    pa = need_pyarrow("mtcnn_cpp.arrow")
    for name, column in zip(ADDED, _arrays(pa, []), strict=True):
        before = before.append(pa.field(name, column.type))
    return before


def to_table(found: Any, *, path: str = "path") -> Any:
    """One row a face, as a `pyarrow.Table` with the columns of `mtcnn_cpp.table`, from what `detect` gave.

    path: the column that names the sources. The numbers are the same bits; a picture without a face, or one
    that could not be read, has one row.

    Raises ValueError if a column is missing.
    """
    missing = [name for name in (path, *ADDED) if name not in found.schema.names]
    if missing:
        raise ValueError(
            f"found must have the columns {', '.join((path, *ADDED))}, as detect gives them; missing: "
            f"{', '.join(missing)}"
        )
    columns = [found.column(name).to_pylist() for name in (path, *ADDED)]
    results = [_result(*values) for values in zip(*columns, strict=True)]
    return arrow_table([row for result in results for row in rows(result)])


@functools.cache
def _default() -> Detector:
    from .detector import Detector

    return Detector()


def _columns(pa: Any, table: Any, path: str, content: str) -> tuple[Any, Any]:
    """The two columns, None for one that is not there."""
    names: Sequence[str] = table.schema.names
    taken = [name for name in ADDED if name in names]
    if taken:
        raise ValueError(f"the batch has a column {', '.join(taken)} already; rename or drop it")
    if path not in names and content not in names:
        raise ValueError(
            f"the batch has neither a column {path} (paths) nor {content} (bytes of image files), only "
            f"{', '.join(names) or 'none'}; name it by path= or content="
        )
    kinds = pa.types
    texts = kinds.is_string, kinds.is_large_string, kinds.is_string_view
    binaries = kinds.is_binary, kinds.is_large_binary, kinds.is_binary_view, kinds.is_fixed_size_binary
    found: list[Any] = []
    for name, fits, wanted in ((path, texts, "text"), (content, binaries, "binary")):
        if name not in names:
            found.append(None)
            continue
        if names.count(name) > 1:
            raise ValueError(f"the batch has {names.count(name)} columns {name}, expected one")
        column = table.column(name)
        kind = column.type.value_type if kinds.is_dictionary(column.type) else column.type
        if not (kinds.is_null(kind) or any(is_kind(kind) for is_kind in fits)):
            raise TypeError(f"the column {name} must be {wanted}, got {column.type}")
        found.append(column)
    return found[0], found[1]


def _look(
    paths: Any, contents: Any, count: int, detector: Detector, names: tuple[str, str]
) -> Iterator[Result]:
    """The result of each row, in order; rows are looked at in parallel."""
    engine = detector.engine
    stop = engine.backend.make_stop()
    warn = LimitedWarnings()

    def look(index: int) -> Result:
        path = None if paths is None else paths[index].as_py()
        data = None if contents is None else contents[index].as_py()
        name = f"row {index}" if path is None else path
        try:
            if data is None:
                if path is None:
                    raise ValueError(f"{name} is null: it has no {' and no '.join(names)}")
                data = read_content(path)
            pixels = decode_image(data, name)
            faces = find_faces(engine, pixels, threads=1, stop=stop, warn=warn, file=name)
            return Result(name, faces=faces)
        except FAILURES as error:
            return Result(name, error=words(error))

    workers = max(1, min(engine.threads, count))
    with closing(in_parallel(look, range(count), workers=workers, stop=stop)) as results:
        yield from results


def _arrays(pa: Any, results: list[Result]) -> tuple[Any, Any, Any, Any]:
    """The columns of ADDED."""
    found = [result.faces for result in results]
    columns = [faces.columns() for faces in found if faces is not None]
    kinds: dict[str, Any] = {"int32": np.int32, "float32": np.float32}
    values = [
        pa.array(np.concatenate([np.empty(0, kind), *(some[name] for some in columns)]).astype(kind))
        for name, kind in ((name, kinds[KINDS[name]]) for name in FACE_COLUMNS)
    ]
    counts = [0 if faces is None else len(faces) for faces in found]
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())
    faces = pa.ListArray.from_arrays(
        offsets,
        pa.StructArray.from_arrays(values, FACE_COLUMNS),
        mask=pa.array([some is None for some in found], pa.bool_()),
    )
    sizes = [(None, None) if some is None else some.image_size for some in found]
    widths, heights = (pa.array([size[axis] for size in sizes], pa.int32()) for axis in (1, 0))
    errors = [result.error.encode(errors="backslashreplace").decode() or None for result in results]
    return faces, widths, heights, pa.array(errors, pa.string())


def _result(
    source: str | None, faces: list[dict[str, Any]] | None, width: int, height: int, error: str | None
) -> Result:
    if faces is None:
        return Result(source or "", error=error or "not looked at: faces is null")
    numbers = np.array([[face[name] for name in FACE_COLUMNS[1:]] for face in faces], np.float32)
    numbers = numbers.reshape(len(faces), len(FACE_COLUMNS) - 1)
    found = Detections(numbers[:, 1:5], numbers[:, 0], numbers[:, 5:].reshape(-1, 5, 2), (height, width))
    result = Result(source or "", faces=found, error=error or "")
    return dataclasses.replace(result, face_ids=tuple(face["face_id"] for face in faces))
