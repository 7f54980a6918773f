"""Rich's console for text from files: no markup, and every character that cannot be printed is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from .escape import EscapedStream, printable


class SafeConsole(Console):
    """Prints text without markup, emoji or highlighting; only Rich's own styles reach a terminal."""

    def __init__(self, stream: IO[str] | Any, width: int | None = None) -> None:
        file = stream.raw if isinstance(stream, EscapedStream) else stream
        super().__init__(file=file, width=width, markup=False, emoji=False, highlight=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            text = segment.text if segment.control else printable(segment.text, "\n")
            yield segment if text == segment.text else Segment(text, segment.style)


def plain_text(text: object, style: str = "") -> Text:
    """Text for a line or a cell, escaped before it is measured."""
    return Text(printable(text), style)
