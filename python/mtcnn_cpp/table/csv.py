"""Tables as CSV: commas, lines that end in a line feed, UTF-8, quotes where they are needed.

Text is written as it is, also where it begins with =, +, - or @: a file name that is changed would name no
file. A spreadsheet may take such a cell for a formula, so import the column `source` as text there.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from typing import IO

from .columns import COLUMNS
from .errors import TableError, reading
from .result import Result, Row, rows
from .states import State, states
from .text import spell, unspell
from .values import check_columns, from_texts

_SOURCE, _FRAME, _ERROR = (COLUMNS.index(name) for name in ("source", "frame", "error"))


class CsvWriter:
    """Rows to a binary stream, those of one result in one write; the header is written at once."""

    def __init__(self, stream: IO[bytes], *, flush: bool = False) -> None:
        self._stream, self._flush = stream, flush
        # With this end, both of its signs are quoted in a cell, in every version of Python.
        self._to_line = csv.writer(_Through(), lineterminator="\r\n").writerow
        self._write([COLUMNS])

    def add(self, result: Result) -> None:
        self.add_rows(rows(result))

    def add_rows(self, rows: Sequence[Row]) -> None:
        self._write([tuple(row.values()) for row in rows])

    def close(self) -> None:
        self._stream.flush()

    def _write(self, lines: Iterable[tuple[object, ...]]) -> None:
        self._stream.write("".join(map(self._line, lines)).encode())
        if self._flush:
            self._stream.flush()

    def _line(self, values: tuple[object, ...]) -> str:
        spelled = [spell(value) if isinstance(value, str) else value for value in values]
        return str(self._to_line(spelled))[:-2] + "\n"


class _Through:
    """A file for `csv.writer`, whose `writerow` gives what `write` gives: the line itself."""

    def write(self, line: str) -> str:
        return line


def read_csv_rows(stream: IO[bytes], name: str) -> Iterator[dict[str, object]]:
    with reading(name):
        for line, texts in _cells(stream):
            yield from_texts(texts, f"line {line}")


def read_csv_states(stream: IO[bytes], name: str) -> dict[str, State]:
    with reading(name):
        return states(_parts(stream))


def _parts(stream: IO[bytes]) -> Iterator[tuple[str, int, str]]:
    count = len(COLUMNS)
    for line, texts in _cells(stream):
        if len(texts) != count:
            raise TableError(f"line {line}: {len(texts)} values, expected {count}")
        yield unspell(texts[_SOURCE]), int(texts[_FRAME]), unspell(texts[_ERROR])


def _cells(stream: IO[bytes]) -> Iterator[tuple[int, list[str]]]:
    """The rows below the header, each with the number of its last line."""
    reader = csv.reader(_lines(stream), strict=True)
    header = next(reader, None)
    if header is None:
        raise TableError("the file is empty; expected a table of faces, which has at least its header")
    check_columns(header, "the first line")
    for texts in reader:
        yield reader.line_num, texts


def _lines(stream: IO[bytes]) -> Iterator[str]:
    for number, line in enumerate(stream):
        if not line.endswith(b"\n"):  # its last number may have lost digits
            raise TableError(f"line {number + 1}: the file ends in the middle of a row; it was cut off")
        yield line.decode("utf-8-sig" if number == 0 else "utf-8")
