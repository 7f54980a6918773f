"""From exceptions and signals to a line on stderr and an exit code."""

from __future__ import annotations

import contextlib
import signal
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import NoReturn

import typer

from ..escape import printable
from ..stores import mask_text
from .lines import print_line

INCOMPLETE = 1  # done, but not everything was as it should be
FAILED = 2  # could not start or had to stop; also what wrong usage gives
INTERRUPTED = 130  # ended by Ctrl-C; 143 by SIGTERM


def report(error: BaseException | str) -> None:
    """A line on stderr; an exception without words is told by its name."""
    print_line(f"error: {mask_text(str(error)).strip() or type(error).__name__}", err=True)


def print_warning(message: str) -> None:
    """A line on stderr about something that may be wrong."""
    print_line(f"warning: {message}", err=True)


def _show_warning(message: Warning | str, *_: object) -> None:
    print_warning(str(message))


@contextlib.contextmanager
def errors_reported() -> Iterator[None]:
    """Turn what the library raises on purpose into a line on stderr and exit code 2, Ctrl-C into 130; and its
    warnings into lines on stderr."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning  # type: ignore[assignment]
            yield
    except BrokenPipeError:  # the reader of our output has gone: typer ends quietly
        raise
    except (ValueError, TypeError, OSError, ImportError, MemoryError) as error:
        report(error)
        raise typer.Exit(FAILED) from error
    except KeyboardInterrupt as error:
        report(f"interrupted; {str(error) or 'files that were not complete were not written'}")
        raise typer.Exit(INTERRUPTED) from error


@contextlib.contextmanager
def file_named(*paths: Path | str) -> Iterator[None]:
    """Let an error in the block begin with the files, if it names none of them."""
    try:
        yield
    except (ValueError, TypeError, ArithmeticError, LookupError, MemoryError) as error:
        if any(str(path) in str(error) or printable(path) in str(error) for path in paths):
            raise
        raise ValueError(f"{', '.join(map(str, paths))}: {error or type(error).__name__}") from error


def end_in_order() -> None:
    """Let SIGTERM end the command as an exception does, so that temporary files are removed."""
    on_main_thread = threading.current_thread() is threading.main_thread()
    if on_main_thread and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _end)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
