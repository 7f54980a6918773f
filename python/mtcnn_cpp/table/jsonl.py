"""Tables as JSON: one object a row, with the columns of the table as keys; a line each, or in one array."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import IO, Any

from .columns import COLUMNS
from .errors import TableError, reading
from .result import Result, Row, rows
from .states import State, states
from .text import spell
from .values import check_columns, from_values


class JsonLinesWriter:
    """An object a line to a binary stream, those of one result in one write."""

    def __init__(self, stream: IO[bytes], *, flush: bool = False) -> None:
        self._stream, self._flush = stream, flush

    def add(self, result: Result) -> None:
        self.add_rows(rows(result))

    def add_rows(self, rows: Sequence[Row]) -> None:
        self._write("".join(f"{_object(row)}\n" for row in rows))

    def close(self) -> None:
        self._stream.flush()

    def _write(self, text: str) -> None:
        self._stream.write(text.encode())
        if self._flush:
            self._stream.flush()


class JsonWriter(JsonLinesWriter):
    """The same objects in an array, which `close` completes."""

    def __init__(self, stream: IO[bytes], *, flush: bool = False) -> None:
        super().__init__(stream, flush=flush)
        self._before = "[\n"

    def add_rows(self, rows: Sequence[Row]) -> None:
        if rows:
            self._write(self._before + ",\n".join(map(_object, rows)))
            self._before = ",\n"

    def close(self) -> None:
        self._write("[]\n" if self._before == "[\n" else "\n]\n")
        super().close()


def _object(row: Row) -> str:
    plain = {name: spell(value) if isinstance(value, str) else value for name, value in row.items()}
    return json.dumps(plain, ensure_ascii=False, allow_nan=False)


def read_json_lines_rows(stream: IO[bytes], name: str) -> Iterator[dict[str, object]]:
    with reading(name):
        for number, line in enumerate(stream, start=1):
            if not line.endswith(b"\n"):
                raise TableError(f"line {number}: the file ends in the middle of a row; it was cut off")
            yield _row(_loaded(line, f"line {number}"), f"line {number}")


def read_json_rows(stream: IO[bytes], name: str) -> Iterator[dict[str, object]]:
    with reading(name):
        found = _loaded(stream.read(), "the file")
        if not isinstance(found, list):
            raise TableError(f"an array of rows was expected, got {_word(found)}")
        for number, item in enumerate(found, start=1):
            yield _row(item, f"row {number}")


def read_json_states(rows: Iterator[dict[str, Any]]) -> dict[str, State]:
    return states((row["source"], row["frame"], row["error"]) for row in rows)


def _loaded(data: bytes, where: str) -> object:
    try:
        return json.loads(data)
    except ValueError as error:
        raise TableError(f"{where} is no JSON, or was cut off ({error})") from error


def _row(item: object, where: str) -> dict[str, object]:
    if not isinstance(item, dict):
        raise TableError(f"{where}: an object was expected, got {_word(item)}")
    if item.keys() != set(COLUMNS):
        check_columns(tuple(item), where)
    return from_values([item[name] for name in COLUMNS], where)


def _word(found: object) -> str:
    return {dict: "an object", list: "an array", str: "a text", type(None): "null"}.get(
        type(found), "a number"
    )
