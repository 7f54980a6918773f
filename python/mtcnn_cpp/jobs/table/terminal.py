"""A table that people read on a terminal or in a text file."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, TextIO

from ...formats.errors import safe_text
from .rows import FrameResult

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

# Number of results in one printed table. It limits the memory that a long video needs.
RESULTS_PER_BLOCK = 500
MAX_NAME_LENGTH = 5000  # maximum number of characters; a longer name is truncated and ends with …
# Minimum width of the column with the names. If less width remains, each name is the title of a separate
# table.
MIN_NAME_WIDTH = 20
NUMBER_COLUMNS = ("face", "x", "y", "width", "height", "score")


class TerminalTable:
    """Prints a table with one row per face.

    On a terminal, the table is at most as wide as the terminal, if its numbers fit. Long names continue on
    the next line. In a file or pipe, the table is as wide as necessary. The columns frame and time (in
    seconds) appear if a source has more than one frame. The columns with the names of images of faces appear
    if the job writes such images. Frames are counted from 1 and faces from 0, as in the other formats. If a
    frame could not be processed, its row contains the text "failed". The error message is
    not in the table.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._encoding: str = getattr(stream, "encoding", None) or "utf-8"
        self._pending: list[FrameResult] = []
        self._has_frames = False
        self._files: tuple[str, ...] = ()  # columns with names of images of faces

    def add(self, result: FrameResult) -> None:
        self._pending.append(result)
        self._has_frames = self._has_frames or result.index > 0
        self._files = self._files or tuple(result.files)
        if len(self._pending) >= RESULTS_PER_BLOCK:
            self._print()

    def close(self) -> None:
        if self._pending:
            self._print()

    def _print(self) -> None:
        from ..._util.console import SafeConsole

        console = SafeConsole(self._stream)
        table = self._table(self._pending, files=self._files)
        unlimited = console.options.update(width=10 * MAX_NAME_LENGTH)
        needed = console.measure(table, options=unlimited).maximum
        without_names = self._table(self._pending, titled=True, files=())
        numbers = console.measure(without_names, options=unlimited).maximum
        texts = MIN_NAME_WIDTH * (1 + len(self._files))
        width = max(console.width, numbers) if console.is_terminal else needed
        console = SafeConsole(self._stream, width)
        if width >= min(needed, numbers + texts):
            console.print(table)
        else:
            for _, group in groupby(self._pending, lambda result: result.source):
                console.print(self._table(list(group), titled=True, files=self._files))
        self._pending = []

    def _table(self, results: list[FrameResult], *, titled: bool = False, files: tuple[str, ...]) -> Table:
        """Make a table of results.

        `titled` states whether the name of the source is the title of the table. Otherwise it is in a column.
        `files` are the columns with names of images of faces.
        """
        from rich import box, table, text

        unicode = "utf" in self._encoding.lower()
        made = table.Table(box=box.HEAVY_HEAD if unicode else box.ASCII)
        if titled:
            made.title, made.title_justify = text.Text(self._name(results[0].source)), "left"
        else:
            made.add_column("source", overflow="fold")
        for title in (*(("frame", "time") if self._has_frames else ()), *NUMBER_COLUMNS):
            made.add_column(title, justify="right", no_wrap=True)
        for title in files:
            made.add_column(title, overflow="fold")
        for source, group in groupby(results, lambda result: result.source):
            name = self._name(source)
            for result in group:
                self._add_result(made, result, [] if titled else [text.Text(name)], files)
                name = ""
            made.add_section()
        return made

    def _add_result(
        self, table: Table, result: FrameResult, start: list[Text | str], files: tuple[str, ...]
    ) -> None:
        from rich.text import Text

        when = [str(result.index + 1), f"{result.time:.3f}"] if self._has_frames else []
        faces = result.faces
        if faces is None or not len(faces):
            table.add_row(*start, *when, "failed" if faces is None else "none")
            return
        ids = range(len(faces)) if result.face_ids is None else result.face_ids
        for index, (face_id, face) in enumerate(zip(ids, faces, strict=True)):
            box = (f"{value:.2f}" for value in face.box)
            names = (Text(self._name(result.files[column][index] or "")) for column in files)
            table.add_row(*start, *when, str(face_id), *box, f"{face.score:.5f}", *names)
            start, when = [""] * len(start), [""] * len(when)

    def _name(self, source: str) -> str:
        """Escape control characters, and characters that do not exist in the encoding of the stream."""
        return (
            safe_text(source, MAX_NAME_LENGTH)
            .encode(self._encoding, "backslashreplace")
            .decode(self._encoding)
        )
