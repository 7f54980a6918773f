"""Tables as CSV: commas, lines that end in a line feed, UTF-8, quotes where they are needed.

Text is written as it is, also where it begins with =, +, - or @: a file name that is changed would name no
file. A spreadsheet may take such a cell for a formula. With `safe`, such a text has an apostrophe before it,
and the names in the first line are quoted: by that the readers here know such a table, and take the
apostrophes off again.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import IO

from .columns import COLUMNS
from .errors import TableError, reading
from .result import Result, Row, rows
from .states import State, states
from .text import spell, unspell
from .values import check_columns, from_texts

# What a spreadsheet may take for a formula, with the apostrophes that are there already.
_FORMULA = re.compile(r"'*(?:\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n])")
_SAFE_HEADER = ",".join(f'"{name}"' for name in COLUMNS) + "\n"
_SOURCE, _FRAME, _ERROR = (COLUMNS.index(name) for name in ("source", "frame", "error"))


class CsvWriter:
    """Rows to a binary stream, those of one result in one write; the header is written at once.

    safe: no text is a formula to a spreadsheet.
    """

    def __init__(self, stream: IO[bytes], *, flush: bool = False, safe: bool = False) -> None:
        self._stream, self._flush, self._safe = stream, flush, safe
        # With this end, both of its signs are quoted in a cell, in every version of Python.
        self._to_line = csv.writer(_Through(), lineterminator="\r\n").writerow
        self._write(_SAFE_HEADER if safe else self._line(COLUMNS))

    def add(self, result: Result) -> None:
        self.add_rows(rows(result))

    def add_rows(self, rows: Sequence[Row]) -> None:
        self._write("".join(self._line(tuple(row.values())) for row in rows))

    def close(self) -> None:
        self._stream.flush()

    def _write(self, text: str) -> None:
        self._stream.write(text.encode())
        if self._flush:
            self._stream.flush()

    def _line(self, values: tuple[object, ...]) -> str:
        spelled = [self._spell(value) if isinstance(value, str) else value for value in values]
        return str(self._to_line(spelled))[:-2] + "\n"

    def _spell(self, text: str) -> str:
        text = spell(text)
        return f"'{text}" if self._safe and _FORMULA.match(text) else text


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
    """The rows below the header, each with the number of its last line, as they were before they were made
    safe."""
    lines = _lines(stream)
    first = next(lines, "")
    is_safe = first == _SAFE_HEADER
    reader = csv.reader(itertools.chain([first] if first else [], lines), strict=True)
    header = next(reader, None)
    if header is None:
        raise TableError("the file is empty; expected a table of faces, which has at least its header")
    check_columns(header, "the first line")
    for texts in reader:
        if is_safe:
            texts = [text[1:] if text[:1] == "'" and _FORMULA.match(text) else text for text in texts]
        yield reader.line_num, texts


def _lines(stream: IO[bytes]) -> Iterator[str]:
    for number, line in enumerate(stream):
        if not line.endswith(b"\n"):  # its last number may have lost digits
            raise TableError(f"line {number + 1}: the file ends in the middle of a row; it was cut off")
        yield line.decode("utf-8-sig" if number == 0 else "utf-8")
