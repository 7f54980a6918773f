"""Escapes untrusted text for terminals, HTML, XML and GitHub logs.

File names, tensor names, manifest fields and messages of libraries are untrusted. They can contain control
sequences that write to the clipboard or the screen. They can also contain characters that change the order of
the text in a line, and line breaks after which a new command begins. The package stores text unchanged and
escapes it when it writes the text.
"""

from __future__ import annotations

import codecs
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any


def printable(text: object, keep: str = "") -> str:
    """Replace every unprintable character by an escape such as \\x1b.

    These characters are unprintable: control characters (C0, C1, DEL), line breaks, characters that change
    the text direction or have no width, lone surrogates and unassigned characters. Characters in `keep` are
    not replaced.
    """
    string = str(text)
    if string.isprintable():
        return string
    return "".join(char if char.isprintable() or char in keep else ascii(char)[1:-1] for char in string)


def markup_text(text: object) -> str:
    """Escape text for an element or a quoted attribute of HTML or XML."""
    import html

    return html.escape(printable(text))


def github_message(text: object) -> str:
    """Escape the message of a GitHub workflow command, `::error title=…::MESSAGE`."""
    escaped = printable(text, "\r\n").replace("%", "%25")
    return escaped.replace("\r", "%0D").replace("\n", "%0A")


def github_property(text: object) -> str:
    """Escape a property of a GitHub workflow command, `::error title=VALUE::…`."""
    return github_message(text).replace(":", "%3A").replace(",", "%2C")


class EscapedStream:
    """A text stream that escapes all text except line breaks and tabs.

    If the stream is a terminal, bytes written to `buffer` are escaped. If the stream is a file or a pipe,
    these bytes are not changed. `raw` is the underlying stream. Text that is already escaped and contains
    styles of this package can be written to `raw`.
    """

    def __init__(self, raw: Any) -> None:
        self.raw = raw

    def write(self, text: str) -> int:
        if not isinstance(text, str):  # libraries write bytes to detect the kind of stream
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
    """The binary buffer of a terminal stream. It decodes bytes as UTF-8 and writes the text escaped."""

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
    """Replace standard output and standard error by `EscapedStream`s for the duration of the block."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (
        stream if stream is None or isinstance(stream, EscapedStream) else EscapedStream(stream)
        for stream in before
    )
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
