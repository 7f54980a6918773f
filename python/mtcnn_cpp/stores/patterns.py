"""Patterns for files in a store: `*`, `?`, `[abc]`, `[!abc]`, and `**` between slashes."""

from __future__ import annotations

import re
from collections.abc import Callable

SIGNS = re.compile(r"[*?\[]")


def matcher(pattern: str) -> Callable[[str], bool] | None:
    """Whether a path fits; None if there is no sign in the pattern."""
    if SIGNS.search(pattern) is None:
        return None
    parts = pattern.split("/")
    written = ""
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if part == "**":
            written += ".*" if last else "(?:[^/]*/)*"
        else:
            written += _part(part) + ("" if last else "/")
    try:
        fits = re.compile(written, re.DOTALL)
    except re.error as error:  # [z-a]
        raise ValueError(f"{pattern!a} is not a pattern: {error}") from error
    return lambda path: fits.fullmatch(path) is not None


def literal_part(pattern: str) -> str:
    """The folders before the first sign."""
    found = SIGNS.search(pattern)
    return pattern[: found.start()].rpartition("/")[0] if found else pattern


def _part(pattern: str) -> str:
    """What stands between two slashes, as a regular expression."""
    written, at = "", 0
    while at < len(pattern):
        sign = pattern[at]
        at += 1
        end = pattern.find("]", at + (2 if pattern[at : at + 1] == "!" else 1)) if sign == "[" else -1
        if sign == "*":
            written += "[^/]*"
        elif sign == "?":
            written += "[^/]"
        elif end >= 0:
            no = pattern[at] == "!"
            inside = re.sub(r"([\\\[\]^&|~])", r"\\\1", pattern[at + no : end])
            written += f"(?!/)[{'^' if no else ''}{inside}]"
            at = end + 1
        else:
            written += re.escape(sign)
    return written
