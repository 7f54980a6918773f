"""Write and read tables in Parquet with pyarrow. A missing value is null."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any

from ..._util.errors import import_extra
from ...media.image.opencv import opencv_version
from .rows import (
    COLUMN_TYPES,
    COLUMNS,
    REQUIRED,
    FrameResult,
    TableError,
    TableRow,
    check_columns,
    escape_row,
    make_rows,
    row_from_values,
    table_errors,
    unescape_text,
)

ROWS_PER_GROUP = 10_000


def need_pyarrow(user: str = "Parquet (unlike the format csv)") -> Any:
    """Import pyarrow with its submodule `parquet`.

    Raises MissingExtra if pyarrow is not installed. Its message contains `user`, the feature that needs
    pyarrow.
    """
    import_extra("pyarrow.parquet", "mtcnn-cpp[table]", user)
    return import_extra("pyarrow", "mtcnn-cpp[table]", user)


def arrow_schema(columns: Sequence[str] = COLUMNS) -> Any:
    """Return columns as a `pyarrow.Schema`.

    Its metadata let pandas read integer columns with missing values as `Int64`, not as float64.
    """
    pa = need_pyarrow()
    types = {kind: getattr(pa, kind)() for kind in ("int32", "int64", "float32", "float64")}
    types["text"] = pa.string()
    fields = [pa.field(name, types[COLUMN_TYPES[name]], name not in REQUIRED) for name in columns]
    return pa.schema(fields, {"pandas": json.dumps(_pandas_metadata(columns))})


def _pandas_metadata(columns: Sequence[str]) -> dict[str, Any]:
    """Return the metadata that `pyarrow.Table.to_pandas` reads from the key `pandas` of a schema."""
    nullable = [name for name in columns if COLUMN_TYPES[name] == "int32" and name not in REQUIRED]
    fields = ("name", "field_name", "pandas_type", "numpy_type", "metadata")
    described = [dict(zip(fields, (name, name, "int32", "Int64", None), strict=True)) for name in nullable]
    return {"index_columns": [], "column_indexes": [], "columns": described}


def arrow_table(rows: Sequence[TableRow], columns: Sequence[str] = COLUMNS) -> Any:
    """Convert rows to a `pyarrow.Table`."""
    values = [escape_row(columns, row) for row in rows]
    return need_pyarrow().Table.from_pylist(values, arrow_schema(columns))


def _versions(video_reader: str) -> dict[str, str]:
    """Return the metadata of a table. These are the versions of the software on which the rows depend."""
    from ... import __version__

    return {"mtcnn_cpp": __version__, "opencv": opencv_version(), "video_reader": video_reader}


class ParquetWriter:
    """Writes row groups of about 10,000 rows. `close` writes the remaining rows and the footer.

    `video_reader` is the reader of videos with its version, for the metadata of the table.
    """

    def __init__(self, stream: IO[bytes], columns: Sequence[str], video_reader: str) -> None:
        pa = need_pyarrow()
        self._stream, self._columns = stream, columns
        self._sink = _Sink(stream)
        schema = arrow_schema(columns)
        schema = schema.with_metadata({**schema.metadata, **_versions(video_reader)})
        self._writer = pa.parquet.ParquetWriter(
            pa.PythonFile(self._sink, mode="w"), schema, compression="zstd"
        )
        self._pending: list[TableRow] = []

    def add(self, result: FrameResult) -> None:
        self.add_rows(make_rows(result))

    def add_rows(self, rows: Sequence[TableRow]) -> None:
        self._pending += rows
        if len(self._pending) >= ROWS_PER_GROUP:
            self._write()

    def close(self) -> None:
        if self._pending:
            self._write()
        self._writer.close()
        if self._sink.failed:
            raise ValueError("an earlier row group of this Parquet file could not be written")
        self._stream.flush()

    def _write(self) -> None:
        self._writer.write_table(arrow_table(self._pending, self._columns))
        self._pending = []


class _Sink:
    """The stream into which pyarrow writes.

    After an error, or if the file is closed, it ignores the data that pyarrow writes.

    This is necessary because pyarrow writes the footer even when an unfinished writer is deleted. If this
    fails, pyarrow prints the error.
    """

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
        """Do nothing, because `ParquetWriter.close` flushes the stream."""

    def close(self) -> None:
        """Do nothing, because the caller closes the stream."""


def read_parquet_rows(stream: IO[bytes], name: str) -> Iterator[TableRow]:
    import numpy as np

    with table_errors(name):
        number = 0
        for names, columns in _columns(stream, COLUMN_TYPES):
            for column, column_name in zip(columns, names, strict=True):
                if (
                    COLUMN_TYPES[column_name] == "float32"
                ):  # convert to the shortest decimal, as in the other formats
                    column[:] = [
                        value if value is None else float(str(np.float32(value))) for value in column
                    ]
            for values in zip(*columns, strict=True):
                number += 1
                yield row_from_values(names, values, f"row {number}")


def read_parquet_cells(stream: IO[bytes], columns: Sequence[str], name: str) -> Iterator[list[Any]]:
    with table_errors(name):
        for present, lists in _columns(stream, columns):
            values = dict(zip(present, lists, strict=True))
            for column in present:
                if COLUMN_TYPES[column] == "text":
                    values[column] = [
                        text if text is None else unescape_text(text) for text in values[column]
                    ]
            missing = [None] * len(lists[0])
            for cells in zip(*(values.get(column, missing) for column in columns), strict=True):
                yield list(cells)


def _columns(stream: IO[bytes], names: Iterable[str]) -> Iterator[tuple[list[str], list[list[Any]]]]:
    """Yield, for each group of rows, those of `names` that the file contains, and their lists of values."""
    pa = need_pyarrow()
    try:
        file = pa.parquet.ParquetFile(stream)
        existing = check_columns(file.schema_arrow.names, "the schema")
        names = [name for name in names if name in existing]
        for field in file.schema_arrow:
            _check_type(pa.types, field)
        for batch in file.iter_batches(batch_size=ROWS_PER_GROUP, columns=names):
            columns = [batch.column(name) for name in names]
            for name, column in zip(names, columns, strict=True):
                if column.null_count and name in REQUIRED:
                    raise TableError(f"{name} is missing in {column.null_count} rows")
            yield names, [column.to_pylist() for column in columns]
    except OSError as error:  # pyarrow raises an OSError if a page is damaged
        raise TableError(f"damaged, or not Parquet ({error})") from error


def _check_type(types: Any, field: Any) -> None:
    kind, found = COLUMN_TYPES[field.name], field.type
    if types.is_dictionary(found):
        found = found.value_type
    if kind == "text":
        matches = types.is_string(found) or types.is_large_string(found) or types.is_string_view(found)
    else:
        matches = types.is_integer(found) if kind.startswith("int") else types.is_floating(found)
    if not (matches or types.is_null(found)):
        raise TableError(f"the column {field.name} must be {kind}, got {field.type}")
