"""Exit codes, errors, warnings and lines on standard output and standard error.

Exit code 1 means that some inputs failed or that something differs. Therefore the exit code after an
unexpected error is not 1 but 2.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from .._util.escape import escaped_streams, printable
from ..storage.address import mask_text

INCOMPLETE = 1  # the command has completed, but an input failed or something differs
FAILED = 2  # the command could not start, had to stop, or was used incorrectly
INTERRUPTED = 130  # the command was ended by Ctrl-C; the exit code after SIGTERM is 143


def print_line(text: object, *, err: bool = False) -> None:
    """Print one line. The text is escaped, so that a text from a file cannot start a new line."""
    typer.echo(printable(text), err=err)


def print_error(error: BaseException | str) -> None:
    """Print the message of an error as a line on stderr. If there is no message, print the class name."""
    print_line(f"error: {mask_text(str(error)).strip() or type(error).__name__}", err=True)


def print_warning(message: str) -> None:
    """Print a warning about a possible fault as a line on stderr."""
    print_line(f"warning: {message}", err=True)


_shows_tracebacks = False


def show_tracebacks(shown: bool) -> None:
    """Set whether `report_errors` prints the traceback of an exception before the line with its message."""
    global _shows_tracebacks
    _shows_tracebacks = shown


def _print_traceback(error: BaseException) -> None:
    if _shows_tracebacks:
        for line in mask_text("".join(traceback.format_exception(error))).splitlines():
            print_line(line, err=True)


def _show_warning(message: Warning | str, *_: object) -> None:
    print_warning(str(message))


@contextlib.contextmanager
def report_errors() -> Iterator[None]:
    """Print expected exceptions and warnings as lines on stderr.

    The exit code after an exception is 2, and after Ctrl-C it is 130.
    """
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning  # type: ignore[assignment]
            yield
    # the program that reads standard output has ended: Typer ends this command without a message
    except BrokenPipeError:
        raise
    except (ValueError, TypeError, OSError, ImportError, MemoryError) as error:
        _print_traceback(error)
        print_error(error)
        raise typer.Exit(FAILED) from error
    except KeyboardInterrupt as error:
        _print_traceback(error)
        print_error(f"interrupted; {str(error) or 'incomplete files were not written'}")
        raise typer.Exit(INTERRUPTED) from error


@contextlib.contextmanager
def name_files_in_errors(*paths: Path | str) -> Iterator[None]:
    """Put the names of the files before the message of an error that the block raises.

    If the message already contains the name of one of these files, it does not change.
    """
    try:
        yield
    except (ValueError, TypeError, ArithmeticError, LookupError, MemoryError) as error:
        if any(str(path) in str(error) or printable(path) in str(error) for path in paths):
            raise
        raise ValueError(f"{', '.join(map(str, paths))}: {error or type(error).__name__}") from error


def handle_sigterm() -> None:
    """Let SIGTERM end the command in the same way as an exception, so that temporary files are removed."""
    on_main_thread = threading.current_thread() is threading.main_thread()
    if on_main_thread and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _exit_on_signal)


def _exit_on_signal(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


class SafeTyper(typer.Typer):
    """An application whose commands have the class `SafeCommand`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(cls=SafeGroup, **options)

    def command(self, *names: Any, **options: Any) -> Callable[..., Any]:
        return super().command(*names, cls=SafeCommand, **options)


class SafeCommand(TyperCommand):
    """A command whose standard output and standard error are escaped.

    If the command fails with an unexpected exception, it prints the traceback and asks the user to report the
    fault.
    """

    def invoke(self, ctx: Any) -> Any:
        with escaped_streams():
            try:
                return super().invoke(ctx)
            except (typer.Exit, typer.Abort, OSError, EOFError):
                raise
            except Exception as error:
                if _is_usage_error(error):
                    raise
                traceback.print_exc(file=sys.stderr)
                typer.echo(
                    "error: this is a fault of mtcnn_cpp; please report it with the lines above", err=True
                )
                raise typer.Exit(FAILED) from error


class SafeGroup(TyperGroup):
    """A group of commands that escapes the messages of errors in the command line.

    This is necessary because Typer prints these messages, and they contain arguments.
    """

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        with _escaped_usage_errors():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        with _escaped_usage_errors():
            return super().invoke(ctx)


@contextlib.contextmanager
def _escaped_usage_errors() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if _is_usage_error(error):
            error.message = printable(error.message)  # type: ignore[attr-defined]
        raise


def _is_usage_error(error: Exception) -> bool:
    """Return whether Typer prints the error.

    The class of such an error is defined in click or in Typer's copy of click.
    """
    return hasattr(error, "format_message") and hasattr(error, "message")
