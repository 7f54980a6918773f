"""Text from files, made safe where it leaves for a terminal, a page, an XML file or a log of GitHub.

File names, names of tensors, fields of manifests and messages of libraries can hold control sequences, which
fill the clipboard or change the screen, characters that reorder a line, and line breaks that begin a command
of their own. Inside the package text stays as it is; it is escaped on output.
"""

from __future__ import annotations

import codecs
import html
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any


def printable(text: object, keep: str = "") -> str:
    """`text` with every character that cannot be printed written as an escape, such as \\x1b.

    These are control characters (C0, C1, DEL), line breaks, characters that change the direction of text or
    have no width, lone surrogates and unassigned characters. keep: characters that stay as they are.
    """
    whole = str(text)
    if whole.isprintable():
        return whole
    return "".join(sign if sign.isprintable() or sign in keep else ascii(sign)[1:-1] for sign in whole)


def markup_text(text: object) -> str:
    """Text for HTML or XML, in an element or in a quoted attribute, of characters that XML allows."""
    return html.escape(printable(text))


def github_message(text: object) -> str:
    """The message of a workflow command of GitHub, `::error title=…::MESSAGE`."""
    escaped = printable(text, "\r\n").replace("%", "%25")
    return escaped.replace("\r", "%0D").replace("\n", "%0A")


def github_property(text: object) -> str:
    """The value of a property of a workflow command of GitHub, `::error title=VALUE::…`."""
    return github_message(text).replace(":", "%3A").replace(",", "%2C")


class EscapedStream:
    """A text stream that escapes what is written to it, but for line breaks and tabs.

    Bytes written to `buffer` are data: they are unchanged in files and pipes, and escaped on a terminal.
    `raw` is the stream below, for text that is already escaped and contains styles of this package.
    """

    def __init__(self, raw: Any) -> None:
        self.raw = raw

    def write(self, text: str) -> int:
        if not isinstance(text, str):  # libraries try with bytes which kind of stream this is
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self.raw.write(printable(text, "\n\t"))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    @property
    def buffer(self) -> Any:
        return _EscapedBuffer(self) if self.raw.isatty() else self.raw.buffer

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)


class _EscapedBuffer:
    """The binary side of a terminal: UTF-8 that is escaped."""

    def __init__(self, stream: EscapedStream) -> None:
        self._stream = stream
        self._decode = codecs.getincrementaldecoder("utf-8")("backslashreplace").decode

    def write(self, data: bytes) -> int:
        self._stream.write(self._decode(bytes(data)))
        return len(data)

    def flush(self) -> None:
        self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream.raw.buffer, name)


@contextmanager
def escaped_streams() -> Iterator[None]:
    """Let standard output and standard error be `EscapedStream`s inside the block."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (
        stream if stream is None or isinstance(stream, EscapedStream) else EscapedStream(stream)
        for stream in before
    )
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
