"""The columns and types of a table of faces, and the conversion of results to rows and back."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Literal, TypeAlias

import numpy as np

from ..._util.errors import MtcnnError
from ...detections.result import LANDMARKS, Detections
from ...formats.errors import safe_text

ColumnType: TypeAlias = Literal["text", "int32", "int64", "float32", "float64"]
TableRow: TypeAlias = dict[str, object]  # one value for each column of the table, in the same order

# Type of each column. Positions are in pixels, times are in seconds from the start of the source, and scores
# are in [0, 1].
COLUMN_TYPES: dict[str, ColumnType] = {
    "source": "text",
    "frame": "int64",
    "face_id": "int32",
    "timestamp": "float64",
    "confidence": "float32",
    "success": "int32",
    "x": "float32",
    "y": "float32",
    "width": "float32",
    "height": "float32",
    **{f"{point}_{axis}": "float32" for point in LANDMARKS for axis in "xy"},
    "image_width": "int32",
    "image_height": "int32",
    "error": "text",
    "crop_file": "text",
    "aligned_file": "text",
}
# Columns that a table has only if the job writes these images. They name the image of each face, relative to
# its folder.
FILE_COLUMNS: tuple[str, ...] = ("crop_file", "aligned_file")
# The other columns, in the order of a table. FILE_COLUMNS follow after them.
COLUMNS: tuple[str, ...] = tuple(name for name in COLUMN_TYPES if name not in FILE_COLUMNS)
REQUIRED: tuple[str, ...] = ("source", "frame", "success")  # columns in which a value is never missing
MAX_ERROR_LENGTH = 10_000  # maximum number of characters of an error in a table

_INTEGER_LIMITS = {"int32": 2**31, "int64": 2**63}
_TYPE_NAMES = {"text": "a text", "int32": "an integer", "int64": "an integer"}


class TableError(MtcnnError, ValueError):
    """A file is damaged or is not a table of faces.

    The message names the file and the line or row. It contains no control characters.
    """

    def __init__(self, message: str) -> None:
        super().__init__(safe_text(message))


@dataclass(frozen=True)
class FrameResult:
    """The faces of one frame, or its error.

    Attributes:
        source: Path or address of the source, as written to the table.
        index: Index of the frame in its source, counted from 0.
        time: Seconds from the start of the source.
        faces: Detected faces, or None if the frame was not processed.
        error: Error message, or "" if there is none.
        face_ids: Number of each face. None: the faces have the numbers 0, 1, 2, … in the order of `faces`.
        files: For each of FILE_COLUMNS that the table has: the name of the image of each face. If an image
            was not written, its name is None.

    Raises:
        ValueError: There are neither faces nor an error, or `face_ids` or names in `files` do not have the
            same length as `faces`.
    """

    source: str
    index: int = 0
    time: float = 0.0
    faces: Detections | None = None
    error: str = ""
    face_ids: tuple[int, ...] | None = None
    files: dict[str, tuple[str | None, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.faces is None and not self.error:
            raise ValueError(
                f"the result of {self.source!r} has neither faces nor an error; expected at least one of them"
            )
        count = 0 if self.faces is None else len(self.faces)
        if self.face_ids is not None and len(self.face_ids) != count:
            raise ValueError(f"face_ids must be {count} numbers, one per face, got {len(self.face_ids)}")
        for column, names in self.files.items():
            if len(names) != count:
                raise ValueError(f"{column} must be {count} names, one per face, got {len(names)}")


def make_rows(result: FrameResult) -> list[TableRow]:
    """Convert a result to rows.

    Args:
        result: Result of one frame.

    Returns:
        One row per face, with `success` 1. If a frame has no faces, or has an error instead of faces, it has
        one row with `success` 0. Every row has all of COLUMNS. A missing or non-finite value is None. Only
        the row of a face whose image was written has the column with the name of this image. Frames are
        counted from 1, as in OpenFace. A float32 value is written as the shortest decimal number from which a
        reader gets the same float32 value.
    """
    common: TableRow = dict.fromkeys(COLUMNS)
    time = float(result.time)
    common |= {
        "source": result.source,
        "frame": int(result.index) + 1,
        "timestamp": time if math.isfinite(time) else None,
        "success": 0,
        "error": _truncated(result.error) or None,
    }
    if result.faces is None:
        return [common]
    height, width = result.faces.image_size
    common |= {"image_width": int(width), "image_height": int(height)}
    ids = range(len(result.faces)) if result.face_ids is None else result.face_ids
    rows = [
        _face_row(common, face_id, face)
        for face_id, face in zip(ids, result.faces.to_dict()["faces"], strict=True)
    ]
    for column, names in result.files.items():
        for row, name in zip(rows, names, strict=True):
            row[column] = name
    return rows or [common]


def _face_row(common: TableRow, face_id: int, face: dict[str, Any]) -> TableRow:
    row = common | {"face_id": int(face_id), "confidence": face["score"], "success": 1}
    row |= zip(("x", "y", "width", "height"), face["box"], strict=True)
    for name, (x, y) in face["landmarks"].items():
        row[f"{name}_x"], row[f"{name}_y"] = x, y
    return row


def _truncated(error: str) -> str:
    return error if len(error) <= MAX_ERROR_LENGTH else error[: MAX_ERROR_LENGTH - 1] + "…"


def results_from_rows(rows: Iterable[TableRow]) -> Iterator[FrameResult]:
    """Convert rows back to results, whose float32 values have the same bits.

    The results have no `face_ids`.
    """
    for (source, frame), frame_rows in groupby(rows, lambda row: (row["source"], row["frame"])):
        yield _result_from_rows(str(source), int(str(frame)), list(frame_rows))


def _result_from_rows(source: str, frame: int, rows: list[TableRow]) -> FrameResult:
    first = rows[0]
    time, error = first["timestamp"], first["error"]
    faces = None
    if first["image_width"] is not None:
        face_rows = [row for row in rows if row["success"]]
        points = [f"{point}_{axis}" for point in LANDMARKS for axis in "xy"]
        faces = Detections(
            _float_array(face_rows, ["x", "y", "width", "height"]),
            _float_array(face_rows, ["confidence"]).reshape(-1),
            _float_array(face_rows, points).reshape(-1, 5, 2),
            (int(str(first["image_height"])), int(str(first["image_width"]))),
        )
    seconds = float("nan") if time is None else float(str(time))
    return FrameResult(source, frame - 1, seconds, faces, str(error or ""))


def _float_array(rows: list[TableRow], columns: list[str]) -> np.ndarray:
    values = [[np.nan if row[name] is None else row[name] for name in columns] for row in rows]
    return np.array(values, np.float32).reshape(len(rows), len(columns))


# The states of the sources in a table. They are needed to resume a job.


@dataclass(frozen=True)
class SourceState:
    """A summary of the rows of one source in a table.

    Attributes:
        frames: Number of frames without an error.
        error: Last error of the source, or "".
        first: Number of the first frame.
        last: Number of the last frame.
        file: Name of one image of a face, or "".
    """

    frames: int
    error: str
    first: int = field(default=0, compare=False)
    last: int = field(default=0, compare=False)
    file: str = field(default="", compare=False)


def collect_states(cells: Iterable[Sequence[Any]]) -> dict[str, SourceState]:
    """Return the state of each source.

    `cells` contains the values of the columns source, frame, error and those of FILE_COLUMNS that the table
    has, of all rows, in order.

    All rows of one frame must be adjacent. Between the frames of one source, there may be frames of other
    sources.
    """
    counts: dict[str, int] = {}
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    last_counted: dict[str, int] = {}
    errors: dict[str, str] = {}
    files: dict[str, str] = {}
    for source, frame, error, *names in cells:
        if source not in counts:
            counts[source] = 0
            first[source] = frame
        last[source] = frame
        for name in names:
            if name and source not in files:
                files[source] = name
        if error:
            errors[source] = error
        elif last_counted.get(source) != frame:
            counts[source] += 1
            last_counted[source] = frame
    return {
        source: SourceState(count, errors.get(source, ""), first[source], last[source], files.get(source, ""))
        for source, count in counts.items()
    }


# Checks of columns and values when a table is read


@contextlib.contextmanager
def table_errors(name: str) -> Iterator[None]:
    """Convert the errors of a block that reads a table to TableError. Their messages begin with `name`.

    ImportError and OSError are not converted.
    """
    try:
        yield
    except (OSError, ImportError):
        raise
    except TableError as error:
        raise TableError(f"{name}: {error}") from error.__cause__
    except RecursionError as error:
        raise TableError(f"{name}: not a table of faces (brackets nested too deeply)") from error
    except MemoryError as error:
        raise TableError(f"{name}: needs more memory than is available") from error
    except Exception as error:
        raise TableError(f"{name}: damaged, or not a table of faces ({error})") from error


def table_columns(files: Collection[str]) -> tuple[str, ...]:
    """Return the columns of a table that has these of FILE_COLUMNS."""
    return (*COLUMNS, *(name for name in FILE_COLUMNS if name in files))


def check_columns(columns: Sequence[object], where: str) -> tuple[str, ...]:
    """Return the columns of a table of faces.

    Raises TableError if `columns` are not such columns, in the same order.
    """
    expected = table_columns([name for name in FILE_COLUMNS if name in columns])
    if tuple(columns) == expected:
        return expected
    missing = [name for name in COLUMNS if name not in columns]
    unknown = [str(name) for name in columns if name not in COLUMN_TYPES]
    differences = [
        f"{label} {', '.join(names)}"
        for label, names in (("missing:", missing), ("unknown:", unknown))
        if names
    ]
    reason = "; ".join(differences) or "the order of the columns differs, or a column is repeated"
    raise TableError(
        f"{where} does not have the columns of a table of faces ({reason}); expected {', '.join(expected)}"
    )


def row_from_values(columns: Sequence[str], values: Sequence[object], where: str) -> TableRow:
    """Make a row from the values of a JSON or Parquet row, and check their types."""
    return {name: _check_value(value, name, where) for name, value in zip(columns, values, strict=True)}


def row_from_texts(columns: Sequence[str], texts: Sequence[str], where: str) -> TableRow:
    """Make a row from the texts of a CSV row."""
    if len(texts) != len(columns):
        raise TableError(f"{where}: {len(texts)} values, expected {len(columns)}")
    row: TableRow = {}
    for name, text in zip(columns, texts, strict=True):
        try:
            row[name] = _PARSERS[name](text)
        except ValueError as error:
            raise _value_error(text, name, where) from error
    return row


def _check_value(value: object, name: str, where: str) -> object:
    kind = COLUMN_TYPES[name]
    if value is None and name not in REQUIRED:
        return None
    if kind == "text":
        if isinstance(value, str):
            return unescape_text(value)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        if kind in _INTEGER_LIMITS:
            if isinstance(value, int) and -_INTEGER_LIMITS[kind] <= value < _INTEGER_LIMITS[kind]:
                return value
        elif math.isfinite(value):
            return float(value)
    raise _value_error(value, name, where)


def _value_error(value: object, name: str, where: str) -> TableError:
    kind = COLUMN_TYPES[name]
    expected = _TYPE_NAMES.get(kind, "a finite number")
    return TableError(f"{where}: {name} must be {expected} ({kind}), got {str(value)[:100]!r}")


# Text
#
# A file name may contain bytes that are not valid UTF-8. Python represents such a byte as a lone surrogate
# (`os.fsdecode`), which UTF-8 cannot encode. In a table, a lone surrogate is written as a sequence such as
# `\udcff`, and a NUL as `\u0000`. If the original text already contains such a sequence, the backslashes
# before the sequence are doubled. Therefore two different names never have the same text in a table.

_SPECIAL = re.compile(r"(?<!\\)(?:(\\*)([\0\ud800-\udfff])|(\\+)(?=u(?:0000|d[89a-f][0-9a-f]{2})))")
_ESCAPED = re.compile(r"(?<!\\)(\\+)u(0000|d[89a-f][0-9a-f]{2})")


def escape_text(text: str) -> str:
    """Escape NUL and lone surrogates."""
    return _SPECIAL.sub(_escape_match, text)


def unescape_text(text: str) -> str:
    """Undo `escape_text`."""
    return _ESCAPED.sub(_unescape_match, text) if "\\u" in text else text


def escape_row(columns: Sequence[str], row: TableRow) -> TableRow:
    """Return a row with these columns. Its texts are escaped, and a missing value is None."""
    values = ((name, row.get(name)) for name in columns)
    return {name: escape_text(value) if isinstance(value, str) else value for name, value in values}


def _escape_match(match: re.Match[str]) -> str:
    before, character, backslashes = match.groups()
    return 2 * backslashes if character is None else f"{2 * before}\\u{ord(character):04x}"


def _unescape_match(match: re.Match[str]) -> str:
    backslashes, code = match.groups()
    half = backslashes[: len(backslashes) // 2]
    return half + chr(int(code, 16)) if len(backslashes) % 2 else f"{half}u{code}"


def _parser(name: str, kind: ColumnType) -> Callable[[str], object]:
    """Return a function that parses a CSV cell of this type. It raises ValueError if the cell is invalid."""

    def parse_integer(text: str) -> int:
        limit = _INTEGER_LIMITS[kind]
        value = int(text)
        if "_" in text or not -limit <= value < limit:
            raise ValueError
        return value

    def parse_float(text: str) -> float:
        value = float(text)
        if "_" in text or not math.isfinite(value):
            raise ValueError
        return value

    parse: Callable[[str], object] = parse_float
    if kind == "text":
        parse = unescape_text
    elif kind in _INTEGER_LIMITS:
        parse = parse_integer
    return parse if name in REQUIRED else lambda text: parse(text) if text else None


_PARSERS = {name: _parser(name, kind) for name, kind in COLUMN_TYPES.items()}
