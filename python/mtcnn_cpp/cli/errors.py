"""From exceptions to a line on stderr and an exit code."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import typer

INCOMPLETE = 1  # done, but not everything was as it should be
FAILED = 2  # could not start or had to stop; also what wrong usage gives


def report(error: BaseException | str) -> None:
    typer.echo(f"error: {error}", err=True)


@contextlib.contextmanager
def errors_reported() -> Iterator[None]:
    """Turn what the library raises on purpose into a line on stderr and exit code 2."""
    try:
        yield
    except BrokenPipeError:  # the reader of our output has gone: typer ends quietly
        raise
    except (ValueError, TypeError, OSError, ImportError, MemoryError) as error:
        report(error)
        raise typer.Exit(FAILED) from error
