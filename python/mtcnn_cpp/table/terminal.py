"""The table for people, in a terminal or a text file; nothing in it is cut."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, TextIO

from ..formats.errors import shown
from .result import Result

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

BLOCK = 500  # results that are laid out together, so that a long video keeps no memory
LONGEST = 5000  # characters of a name; longer ones end in …
LEAST = 20  # columns of a terminal for names; where there are fewer, a name stands above its rows
NUMBERS = ("face", "x", "y", "width", "height", "score")


class Terminal:
    """One row a face, laid out by Rich: as wide as a terminal, or as wide as it needs to be in a file or a
    pipe. Long names are folded, never cut.

    The columns frame and time (seconds) are there once a source has more than its first frame. Frames count
    from 1 and faces from 0, as in the other formats. What went wrong is not repeated here: such a row says
    "failed".
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._encoding: str = getattr(stream, "encoding", None) or "utf-8"
        self._waiting: list[Result] = []
        self._moving = False

    def add(self, result: Result) -> None:
        self._waiting.append(result)
        self._moving = self._moving or result.index > 0
        if len(self._waiting) >= BLOCK:
            self._print()

    def close(self) -> None:
        if self._waiting:
            self._print()

    def _print(self) -> None:
        from ..console import SafeConsole

        console = SafeConsole(self._stream)
        table = self._table(self._waiting)
        room = console.options.update(width=10 * LONGEST)
        needed = console.measure(table, options=room).maximum
        numbers = console.measure(self._table(self._waiting, titled=True), options=room).maximum
        width = max(console.width, numbers) if console.is_terminal else needed
        console = SafeConsole(self._stream, width)
        if width >= min(needed, numbers + LEAST):
            console.print(table)
        else:
            for _, run in groupby(self._waiting, lambda result: result.source):
                console.print(self._table(list(run), titled=True))
        self._waiting = []

    def _table(self, results: list[Result], *, titled: bool = False) -> Table:
        """titled: the source stands above the table, not in a column of its own."""
        from rich import box, table, text

        unicode = "utf" in self._encoding.lower()
        found = table.Table(box=box.HEAVY_HEAD if unicode else box.ASCII)
        if titled:
            found.title, found.title_justify = text.Text(self._name(results[0].source)), "left"
        else:
            found.add_column("source", overflow="fold")
        for title in (*(("frame", "time") if self._moving else ()), *NUMBERS):
            found.add_column(title, justify="right", no_wrap=True)
        for source, run in groupby(results, lambda result: result.source):
            name = self._name(source)
            for result in run:
                self._add(found, result, [] if titled else [text.Text(name)])
                name = ""
            found.add_section()
        return found

    def _add(self, table: Table, result: Result, start: list[Text | str]) -> None:
        when = [str(result.index + 1), f"{result.time:.3f}"] if self._moving else []
        faces = result.faces
        if faces is None or not len(faces):
            table.add_row(*start, *when, "failed" if faces is None else "none")
            return
        ids = range(len(faces)) if result.face_ids is None else result.face_ids
        for number, face in zip(ids, faces, strict=True):
            box = (f"{value:.2f}" for value in face.box)
            table.add_row(*start, *when, str(number), *box, f"{face.score:.5f}")
            start, when = [""] * len(start), [""] * len(when)

    def _name(self, source: str) -> str:
        """Without control characters, and without signs that the stream cannot hold."""
        return shown(source, LONGEST).encode(self._encoding, "backslashreplace").decode(self._encoding)
