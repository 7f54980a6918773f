"""The formats of tables, and the functions that write and read them."""

from __future__ import annotations

import enum
import io
from collections.abc import Iterator, Sequence
from typing import IO, Any, Protocol

from ...media.video.reader import describe_reader
from .parquet import ParquetWriter, need_pyarrow, read_parquet_cells, read_parquet_rows
from .rows import COLUMNS, FILE_COLUMNS, FrameResult, SourceState, TableRow, collect_states
from .text_formats import (
    CsvWriter,
    JsonLinesWriter,
    JsonWriter,
    read_csv_cells,
    read_csv_rows,
    read_json_lines_rows,
    read_json_rows,
)


class TableFormat(str, enum.Enum):
    """File format of a table. The value is also the extension of the file name."""

    csv = "csv"
    jsonl = "jsonl"
    json = "json"
    parquet = "parquet"

    @classmethod
    def from_name(cls, name: str) -> TableFormat | None:
        """Return the format for the extension of a name or address, or None if the extension is unknown."""
        extension = name.rpartition(".")[2].lower()
        return cls._value2member_map_.get("jsonl" if extension == "ndjson" else extension)  # type: ignore[return-value]


class TableWriter(Protocol):
    """Writes results to a binary stream. It never closes the stream."""

    def add(self, result: FrameResult) -> None:
        """Write the rows of one result."""
        ...

    def add_rows(self, rows: Sequence[TableRow]) -> None:
        """Write rows that `read_rows` or `make_rows` returned."""
        ...

    def close(self) -> None:
        """Write the rest of the table. A JSON or Parquet file is incomplete until this call."""
        ...


def make_writer(
    format: TableFormat,
    stream: IO[bytes],
    *,
    columns: Sequence[str] = COLUMNS,
    flush: bool = False,
    csv_safe: bool = False,
    video_reader: str | None = None,
) -> TableWriter:
    """Create a writer.

    Args:
        format: File format.
        stream: Binary stream to write to.
        columns: Columns of the table (see `table_columns`).
        flush: Whether to flush the stream after each result. It has no effect for Parquet, which writes
            groups of rows.
        csv_safe: Whether to protect CSV text that a spreadsheet could read as a formula.
        video_reader: Reader of videos with its version, for the metadata of Parquet. None: the reader that is
            chosen by default.

    Raises:
        MissingExtra: The format is Parquet and pyarrow is not installed.
    """
    if format is TableFormat.csv:
        return CsvWriter(stream, columns, flush=flush, safe=csv_safe)
    if format is TableFormat.jsonl:
        return JsonLinesWriter(stream, columns, flush=flush)
    if format is TableFormat.json:
        return JsonWriter(stream, columns, flush=flush)
    return ParquetWriter(stream, columns, video_reader or describe_reader())


def read_rows(data: bytes | IO[bytes], format: TableFormat, *, name: str = "the table") -> Iterator[TableRow]:
    """Read the rows of a table.

    Args:
        data: Content of the file, or a binary stream. Parquet needs a seekable stream.
        format: File format.
        name: Name of the table in error messages.

    Returns:
        Iterator over the rows. Each row has a value of the correct type for each column. A missing value is
        None.

    Raises:
        TableError: The file is truncated, damaged or not a table of faces. The iterator first yields the rows
            before the damage, and then raises the error. If a JSON or Parquet file is truncated, the iterator
            yields no rows.
        MissingExtra: The format is Parquet and pyarrow is not installed.

    Example:
        with open("faces.csv", "rb") as file:
            rows = list(read_rows(file, TableFormat.csv))
    """
    stream = io.BytesIO(data) if isinstance(data, bytes) else data
    if format is TableFormat.csv:
        return read_csv_rows(stream, name)
    if format is TableFormat.jsonl:
        return read_json_lines_rows(stream, name)
    if format is TableFormat.json:
        return read_json_rows(stream, name)
    need_pyarrow()
    return read_parquet_rows(stream, name)


def read_states(
    data: bytes | IO[bytes], format: TableFormat, *, name: str = "the table"
) -> dict[str, SourceState]:
    """Read the state of each source. Sources are in the order of their first rows.

    The arguments and errors are those of `read_rows`.
    """
    columns = ("source", "frame", "error", *FILE_COLUMNS)
    return collect_states(read_cells(data, format, columns, name=name))


def read_cells(
    data: bytes | IO[bytes], format: TableFormat, columns: Sequence[str], *, name: str = "the table"
) -> Iterator[list[Any]]:
    """Yield the values of some columns for each row.

    If the table lacks one of FILE_COLUMNS, its values are None. For CSV and Parquet, the other columns are
    not parsed. The other arguments and the errors are those of `read_rows`.
    """
    stream = io.BytesIO(data) if isinstance(data, bytes) else data
    if format is TableFormat.csv:
        return read_csv_cells(stream, columns, name)
    if format is TableFormat.parquet:
        need_pyarrow()
        return read_parquet_cells(stream, columns, name)
    rows = read_rows(stream, format, name=name)
    return ([row.get(column) for column in columns] for row in rows)
