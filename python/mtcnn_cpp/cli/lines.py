"""Lines on standard output and standard error."""

from __future__ import annotations

import typer

from ..escape import printable


def print_line(text: object, *, err: bool = False) -> None:
    """Print one line, escaped: text of a file in it cannot begin another line."""
    typer.echo(printable(text), err=err)
