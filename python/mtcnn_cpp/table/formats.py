"""The formats of a table: one writer and two readers each."""

from __future__ import annotations

import enum
import io
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Protocol

from .csv import CsvWriter, read_csv_rows, read_csv_states
from .jsonl import JsonLinesWriter, JsonWriter, read_json_lines_rows, read_json_rows, read_json_states
from .parquet import ParquetWriter, need_pyarrow, read_parquet_rows, read_parquet_states
from .result import Result, Row
from .states import State


class Format(str, enum.Enum):
    """How a table is written; the value is the ending of its file, too."""

    csv = "csv"
    jsonl = "jsonl"
    json = "json"
    parquet = "parquet"

    @classmethod
    def of(cls, name: str) -> Format | None:
        """The format that the ending of a file's name or address says, None if it says none."""
        ending = name.rpartition(".")[2].lower()
        return cls._value2member_map_.get("jsonl" if ending == "ndjson" else ending)  # type: ignore[return-value]


class Writer(Protocol):
    """Writes results to a binary stream, which it never closes."""

    def add(self, result: Result) -> None:
        """Write the rows of one result."""
        ...

    def add_rows(self, rows: Sequence[Row]) -> None:
        """Write rows that `read_rows` has read, or `rows` has made."""
        ...

    def close(self) -> None:
        """Write what is still missing; without it a JSON array or a Parquet file is not complete."""
        ...


def make_writer(format: Format, stream: IO[bytes], *, flush: bool = False, csv_safe: bool = False) -> Writer:
    """A writer of this format. flush: each result goes out at once (for people who watch; not Parquet, which
    is written in groups of rows). csv_safe: of CSV, no text is a formula to a spreadsheet.

    Raises ImportError for Parquet without pyarrow.
    """
    if format is Format.csv:
        return CsvWriter(stream, flush=flush, safe=csv_safe)
    writers: dict[Format, Callable[..., Writer]] = {
        Format.jsonl: JsonLinesWriter,
        Format.json: JsonWriter,
        Format.parquet: ParquetWriter,
    }
    return writers[format](stream, flush=flush)


def read_rows(
    data: bytes | IO[bytes], format: Format, *, name: str = "the table"
) -> Iterator[dict[str, object]]:
    """The rows of a table as they were written: every column, typed, None where a value is missing.

    data: the file's content or a binary stream (for Parquet one that can seek). name: what errors call it.
    Raises TableError, while rows are taken, for a file that is cut off, damaged or something else; the rows
    before the fault have been given then. Raises ImportError, at once, for Parquet without pyarrow.
    """
    stream = io.BytesIO(data) if isinstance(data, bytes) else data
    if format is Format.csv:
        return read_csv_rows(stream, name)
    if format is Format.jsonl:
        return read_json_lines_rows(stream, name)
    if format is Format.json:
        return read_json_rows(stream, name)
    need_pyarrow()
    return read_parquet_rows(stream, name)


def read_states(data: bytes | IO[bytes], format: Format, *, name: str = "the table") -> dict[str, State]:
    """What a table holds of each source, in the order of their first rows; only source, frame and error
    are looked at in CSV and Parquet.

    data, name: as for `read_rows`. Raises TableError and ImportError likewise.
    """
    stream = io.BytesIO(data) if isinstance(data, bytes) else data
    if format is Format.csv:
        return read_csv_states(stream, name)
    if format is Format.parquet:
        return read_parquet_states(stream, name)
    return read_json_states(read_rows(stream, format, name=name))
