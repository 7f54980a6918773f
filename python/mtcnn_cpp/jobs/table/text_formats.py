"""Write and read tables in the text formats CSV, JSON lines and JSON."""

from __future__ import annotations

import csv
import itertools
import json
import re
from collections.abc import Iterator, Sequence
from typing import IO

from .rows import (
    COLUMNS,
    FrameResult,
    TableError,
    TableRow,
    check_columns,
    escape_row,
    make_rows,
    row_from_texts,
    row_from_values,
    table_columns,
    table_errors,
)

# Matches a text that a spreadsheet could read as a formula, even if apostrophes precede it.
_FORMULA = re.compile(r"'*(?:\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n])")


class _TextWriter:
    """Base class of the writers. It writes all rows of a result with one call of `write`."""

    def __init__(self, stream: IO[bytes], columns: Sequence[str] = COLUMNS, *, flush: bool = False) -> None:
        self._stream, self._columns, self._flush = stream, columns, flush

    def add(self, result: FrameResult) -> None:
        self.add_rows(make_rows(result))

    def add_rows(self, rows: Sequence[TableRow]) -> None:
        raise NotImplementedError

    def close(self) -> None:
        self._stream.flush()

    def _write(self, text: str) -> None:
        self._stream.write(text.encode())
        if self._flush:
            self._stream.flush()

    def _to_json(self, row: TableRow) -> str:
        return json.dumps(escape_row(self._columns, row), ensure_ascii=False, allow_nan=False)


class CsvWriter(_TextWriter):
    """Writes CSV in UTF-8, with commas (or another delimiter), line feeds, and quotes if necessary.

    The header is written when the writer is created.

    By default, the writer does not change any text, because a changed name would no longer be the name of the
    file. However, a spreadsheet could read a text as a formula, for example if it begins with =, +, - or @.
    If `safe` is true, the writer puts an apostrophe before each of these texts, and quotes around the names
    in the header. By these quotes, the reader recognises the table and removes the apostrophes.
    """

    def __init__(
        self,
        stream: IO[bytes],
        columns: Sequence[str] = COLUMNS,
        *,
        flush: bool = False,
        safe: bool = False,
        delimiter: str = ",",
    ) -> None:
        super().__init__(stream, columns, flush=flush)
        self._safe = safe
        # With this line terminator, all versions of Python put quotes around cells that contain \r or \n.
        self._to_line = csv.writer(_LineReturner(), lineterminator="\r\n", delimiter=delimiter).writerow
        self._write(_safe_header(columns, delimiter) if safe else self._line(tuple(columns)))

    def add_rows(self, rows: Sequence[TableRow]) -> None:
        self._write("".join(self._line(tuple(escape_row(self._columns, row).values())) for row in rows))

    def _line(self, values: tuple[object, ...]) -> str:
        if self._safe:
            values = tuple(
                f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value for value in values
            )
        return str(self._to_line(values))[:-2] + "\n"


def _safe_header(columns: Sequence[str], delimiter: str = ",") -> str:
    return delimiter.join(f'"{name}"' for name in columns) + "\n"


class _LineReturner:
    """A file for `csv.writer`.

    Its method `write` returns the line, so that `writerow` also returns the line.
    """

    def write(self, line: str) -> str:
        return line


class JsonLinesWriter(_TextWriter):
    """Writes one JSON object per line. The keys of the object are the columns."""

    def add_rows(self, rows: Sequence[TableRow]) -> None:
        self._write("".join(f"{self._to_json(row)}\n" for row in rows))


class JsonWriter(_TextWriter):
    """Writes one JSON array of objects. `close` writes the closing bracket."""

    def __init__(self, stream: IO[bytes], columns: Sequence[str] = COLUMNS, *, flush: bool = False) -> None:
        super().__init__(stream, columns, flush=flush)
        self._separator = "[\n"

    def add_rows(self, rows: Sequence[TableRow]) -> None:
        if rows:
            self._write(self._separator + ",\n".join(map(self._to_json, rows)))
            self._separator = ",\n"

    def close(self) -> None:
        self._write("[]\n" if self._separator == "[\n" else "\n]\n")
        super().close()


def read_csv_rows(stream: IO[bytes], name: str) -> Iterator[TableRow]:
    with table_errors(name):
        columns, cells = _csv_cells(stream)
        for line, texts in cells:
            yield row_from_texts(columns, texts, f"line {line}")


def read_csv_cells(stream: IO[bytes], columns: Sequence[str], name: str) -> Iterator[list[object]]:
    with table_errors(name):
        existing, cells = _csv_cells(stream)
        present = [column for column in columns if column in existing]
        indices = [existing.index(column) for column in present]
        for line, texts in cells:
            if len(texts) != len(existing):
                raise TableError(f"line {line}: {len(texts)} values, expected {len(existing)}")
            row = row_from_texts(present, [texts[index] for index in indices], f"line {line}")
            yield [row.get(column) for column in columns]


def _csv_cells(stream: IO[bytes]) -> tuple[tuple[str, ...], Iterator[tuple[int, list[str]]]]:
    """Return the columns, and an iterator over the number of the last line and the texts of each row.

    Apostrophes that the writer has added are removed.
    """
    lines = _complete_lines(stream)
    first = next(lines, "")
    reader = csv.reader(itertools.chain([first] if first else [], lines), strict=True)
    header = next(reader, None)
    if header is None:
        raise TableError("the file is empty; expected a table of faces, which has at least a header")
    columns = check_columns(header, "the first line")
    is_safe = first == _safe_header(columns)

    def read_cells() -> Iterator[tuple[int, list[str]]]:
        for texts in reader:
            if is_safe:
                texts = [text[1:] if text[:1] == "'" and _FORMULA.match(text) else text for text in texts]
            yield reader.line_num, texts

    return columns, read_cells()


def _complete_lines(stream: IO[bytes]) -> Iterator[str]:
    for number, line in enumerate(stream):
        if not line.endswith(b"\n"):  # digits of the last number can be missing
            raise TableError(f"line {number + 1}: the file ends in the middle of a row; it is truncated")
        yield line.decode("utf-8-sig" if number == 0 else "utf-8")


def read_json_lines_rows(stream: IO[bytes], name: str) -> Iterator[TableRow]:
    with table_errors(name):
        for number, line in enumerate(stream, start=1):
            if not line.endswith(b"\n"):
                raise TableError(f"line {number}: the file ends in the middle of a row; it is truncated")
            yield _row_from_json(_parse_json(line, f"line {number}"), f"line {number}")


def read_json_rows(stream: IO[bytes], name: str) -> Iterator[TableRow]:
    with table_errors(name):
        content = _parse_json(stream.read(), "the file")
        if not isinstance(content, list):
            raise TableError(f"expected an array of rows, got {_json_type(content)}")
        for number, item in enumerate(content, start=1):
            yield _row_from_json(item, f"row {number}")


def _parse_json(data: bytes, where: str) -> object:
    try:
        return json.loads(data)
    except ValueError as error:
        raise TableError(f"{where} is not valid JSON, or it is truncated ({error})") from error


def _row_from_json(item: object, where: str) -> TableRow:
    if not isinstance(item, dict):
        raise TableError(f"{where}: expected an object, got {_json_type(item)}")
    columns = table_columns(item)
    if item.keys() != set(columns):
        check_columns(tuple(item), where)
    return row_from_values(columns, [item[name] for name in columns], where)


def _json_type(value: object) -> str:
    return {dict: "an object", list: "an array", str: "a string", type(None): "null"}.get(
        type(value), "a number"
    )
