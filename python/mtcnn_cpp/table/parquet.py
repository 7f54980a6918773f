"""Tables as Parquet, by pyarrow: the columns with their types, null where a value is missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO, Any

from ..image import opencv_version
from .columns import COLUMNS, KINDS, REQUIRED
from .errors import TableError, reading
from .result import Result, Row, rows
from .states import State, states
from .text import spell, unspell
from .values import check_columns, from_values

GROUP = 10_000  # rows in a row group


def need_pyarrow(what: str = "Parquet") -> Any:
    """pyarrow, or an ImportError that says what needs it and how to get it."""
    try:
        import pyarrow as pa
        import pyarrow.parquet
    except ImportError as error:
        instead = ", or choose the format csv" if what == "Parquet" else ""
        raise ImportError(
            f"{what} needs pyarrow, which is not installed (or does not import: {error}); "
            f"pip install 'mtcnn-cpp[table]'{instead}",
            name="pyarrow",
        ) from error
    return pa


def arrow_schema() -> Any:
    """The columns as a `pyarrow.Schema`."""
    pa = need_pyarrow()
    types = {kind: getattr(pa, kind)() for kind in ("int32", "int64", "float32", "float64")}
    types["text"] = pa.string()
    return pa.schema([pa.field(name, types[kind], name not in REQUIRED) for name, kind in KINDS.items()])


def arrow_table(rows: Sequence[Row]) -> Any:
    """Rows as a `pyarrow.Table`."""
    spelled = [
        {name: spell(value) if isinstance(value, str) else value for name, value in row.items()}
        for row in rows
    ]
    return need_pyarrow().Table.from_pylist(spelled, arrow_schema())


def _versions() -> dict[str, str]:
    """Metadata of a table: what decides its rows, beside the options."""
    from .. import __version__

    return {"mtcnn_cpp": __version__, "opencv": opencv_version()}


class ParquetWriter:
    """Row groups of some 10,000 rows to a binary stream; `close` writes the rest and the end of the file."""

    def __init__(self, stream: IO[bytes], *, flush: bool = False) -> None:
        pa = need_pyarrow()
        self._stream = stream
        self._sink = _Sink(stream)
        schema = arrow_schema().with_metadata(_versions())
        self._writer = pa.parquet.ParquetWriter(
            pa.PythonFile(self._sink, mode="w"), schema, compression="zstd"
        )
        self._waiting: list[Row] = []

    def add(self, result: Result) -> None:
        self.add_rows(rows(result))

    def add_rows(self, rows: Sequence[Row]) -> None:
        self._waiting += rows
        if len(self._waiting) >= GROUP:
            self._write()

    def close(self) -> None:
        if self._waiting:
            self._write()
        self._writer.close()
        if self._sink.failed:
            raise ValueError("an earlier part of this Parquet file could not be written")
        self._stream.flush()

    def _write(self) -> None:
        self._writer.write_table(arrow_table(self._waiting))
        self._waiting = []


class _Sink:
    """The stream as pyarrow uses it. After a failure, or when the stream is closed, it takes everything:
    pyarrow writes the end of the file even when an unfinished writer is deleted, and prints the error of
    that."""

    closed = False

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.failed = False

    def write(self, data: bytes) -> int:
        if self.failed or self._stream.closed:
            return len(data)
        try:
            return self._stream.write(data)
        except BaseException:
            self.failed = True
            raise

    def flush(self) -> None:
        """Nothing to do: `ParquetWriter.close` flushes the stream."""

    def close(self) -> None:
        """Nothing to do: the stream belongs to the caller."""


def read_parquet_rows(stream: IO[bytes], name: str) -> Iterator[dict[str, object]]:
    import numpy as np

    with reading(name):
        number = 0
        for columns in _columns(stream, COLUMNS):
            for column, kind in zip(columns, KINDS.values(), strict=True):
                if kind == "float32":  # the shortest decimals, as in every other format
                    column[:] = [
                        value if value is None else float(str(np.float32(value))) for value in column
                    ]
            for values in zip(*columns, strict=True):
                number += 1
                yield from_values(values, f"row {number}")


def read_parquet_states(stream: IO[bytes], name: str) -> dict[str, State]:
    with reading(name):
        return states(_parts(stream))


def _parts(stream: IO[bytes]) -> Iterator[tuple[str, int, str]]:
    for sources, frames, errors in _columns(stream, ("source", "frame", "error")):
        for source, frame, error in zip(sources, frames, errors, strict=True):
            yield unspell(source), frame, unspell(error or "")


def _columns(stream: IO[bytes], names: tuple[str, ...]) -> Iterator[list[list[Any]]]:
    """The values of these columns, a list each, of so many rows at a time."""
    pa = need_pyarrow()
    try:
        file = pa.parquet.ParquetFile(stream)
        check_columns(file.schema_arrow.names, "the schema")
        for field in file.schema_arrow:
            _check_type(pa.types, field)
        for batch in file.iter_batches(batch_size=GROUP, columns=list(names)):
            columns = [batch.column(name) for name in names]
            for name, column in zip(names, columns, strict=True):
                if column.null_count and name in REQUIRED:
                    raise TableError(f"{name} is missing in {column.null_count} rows")
            yield [column.to_pylist() for column in columns]
    except OSError as error:  # how pyarrow says that a page is damaged
        raise TableError(f"damaged, or not Parquet ({error})") from error


def _check_type(types: Any, field: Any) -> None:
    kind, found = KINDS[field.name], field.type
    if types.is_dictionary(found):
        found = found.value_type
    if kind == "text":
        fits = types.is_string(found) or types.is_large_string(found) or types.is_string_view(found)
    else:
        fits = types.is_integer(found) if kind.startswith("int") else types.is_floating(found)
    if not (fits or types.is_null(found)):
        raise TableError(f"the column {field.name} must be {kind}, got {field.type}")
