"""What `detect` prints, in each of its formats.

Except in tables for people, numbers are the shortest decimals that read back as the same float32.
"""

from __future__ import annotations

import csv
import enum
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TextIO

if TYPE_CHECKING:
    from ..detections import Detections


class Format(str, enum.Enum):
    table = "table"
    json = "json"
    jsonl = "jsonl"
    csv = "csv"


class Writer(Protocol):
    @property
    def streams(self) -> bool:
        """Whether lines appear while the work goes on (else all at the end)."""
        ...

    def found(self, name: str, faces: Detections) -> None: ...
    def failed(self, name: str, error: str) -> None: ...
    def close(self) -> None: ...


def writer(format: Format, stream: TextIO) -> Writer:
    writers: dict[Format, Callable[[TextIO], Writer]] = {
        Format.table: Table,
        Format.json: Json,
        Format.jsonl: JsonLines,
        Format.csv: Csv,
    }
    return writers[format](stream)


class Table:
    """One row a face, for people."""

    streams = False

    def __init__(self, stream: TextIO) -> None:
        from rich import table

        self._stream = stream
        self._table = table.Table("picture")
        for title in ("face", "x", "y", "width", "height", "score"):
            self._table.add_column(title, justify="right")

    def found(self, name: str, faces: Detections) -> None:
        from rich.text import Text

        for number, face in enumerate(faces, start=1):
            box = (f"{value:.2f}" for value in face.box)
            self._table.add_row(Text(name if number == 1 else ""), str(number), *box, f"{face.score:.5f}")
        if not len(faces):
            self._table.add_row(Text(name), "none")
        self._table.add_section()

    def failed(self, name: str, error: str) -> None:
        pass  # has been said on stderr

    def close(self) -> None:
        from rich.console import Console

        if self._table.row_count:
            Console(file=self._stream).print(self._table)


class JsonLines:
    """One object a picture and line: image, width, height, faces; or image, error."""

    streams = True

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def found(self, name: str, faces: Detections) -> None:
        self._add({"image": name, **faces.to_dict()})

    def failed(self, name: str, error: str) -> None:
        self._add({"image": name, "error": error})

    def close(self) -> None:
        pass

    def _add(self, result: dict[str, Any]) -> None:
        print(json.dumps(result, allow_nan=False), file=self._stream, flush=True)


class Json(JsonLines):
    """A list of the same objects."""

    streams = False

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._results: list[dict[str, Any]] = []

    def _add(self, result: dict[str, Any]) -> None:
        self._results.append(result)

    def close(self) -> None:
        print(json.dumps(self._results, indent=1, allow_nan=False), file=self._stream)


class Csv:
    """One row a face: image, box, score, landmarks."""

    streams = True

    def __init__(self, stream: TextIO) -> None:
        from ..detections import LANDMARKS

        self._writer = csv.writer(stream, lineterminator="\n")
        points = [f"{point}_{axis}" for point in LANDMARKS for axis in "xy"]
        self._writer.writerow(["image", "x", "y", "width", "height", "score", *points])

    def found(self, name: str, faces: Detections) -> None:
        for face in faces.to_dict()["faces"]:
            points = [value for point in face["landmarks"].values() for value in point]
            self._writer.writerow([name, *face["box"], face["score"], *points])

    def failed(self, name: str, error: str) -> None:
        pass  # has been said on stderr

    def close(self) -> None:
        pass
