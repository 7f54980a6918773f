"""A Rich console for untrusted text. It ignores markup and escapes unprintable characters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from .escape import EscapedStream, printable


class SafeConsole(Console):
    """A console that ignores markup and emoji codes, and does not highlight text.

    The only control sequences that it writes are those of Rich's styles.
    """

    def __init__(self, stream: IO[str] | Any, width: int | None = None) -> None:
        file = stream.raw if isinstance(stream, EscapedStream) else stream
        super().__init__(file=file, width=width, markup=False, emoji=False, highlight=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            text = segment.text if segment.control else printable(segment.text, "\n")
            yield segment if text == segment.text else Segment(text, segment.style)


def plain_text(text: object, style: str = "") -> Text:
    """Convert a value to escaped text for a line or a table cell. Rich then measures the escaped text."""
    return Text(printable(text), style)
