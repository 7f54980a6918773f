"""Lists of names: text files with one name per line."""

from __future__ import annotations

import os

from ..user_files import encoding_of, read_file, why_unreadable

LARGEST = 1 << 30  # bytes, some ten million names
_QUOTES = ('"', "'")


def read_list(path: str) -> list[str]:
    """The names in a list, in order.

    The encoding is UTF-8, or UTF-16 with its byte order mark, as Windows PowerShell writes it. (Bytes that
    are not UTF-8 stay as they are, since names of files may have any.) Left out are blank lines, lines that
    begin with `#`, white space around a name, and quotes around a whole line; but a line that is, as it
    stands, the name of an existing file is that file. Relative names start from the current folder.

    Raises OSError if the list cannot be read; ValueError if it is no text, too large, or without a name.
    """
    try:
        data = read_file(path, limit=LARGEST, pipes=True)
    except OSError as error:
        why = why_unreadable(path, error)
        raise type(error)(f"{path}: this list of names cannot be read ({why})") from error
    encoding = encoding_of(data)
    try:
        text = os.fsdecode(data.removeprefix(b"\xef\xbb\xbf")) if "8" in encoding else data.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: this list of names is damaged: no {encoding.upper()} ({error})") from error
    if "\0" in text:
        raise ValueError(
            f"{path}: this list of names has zero bytes; expected one name per line, in UTF-8, or in "
            "UTF-16 with a byte order mark"
        )
    names = [name for line in text.split("\n") if (name := _name_in(line.strip(" \t\r")))]
    if not names:
        raise ValueError(f"{path}: this list of names is empty; expected one name per line")
    return names


def _name_in(line: str) -> str:
    """The name in a line; empty for a comment."""
    if not line.startswith(("#", *_QUOTES)) or os.path.lexists(line):
        return line
    if line.startswith("#"):
        return ""
    is_quoted = len(line) > 1 and line[0] == line[-1]
    return line[1:-1] if is_quoted else line
