"""Commands whose output is escaped, and which never end in a bare traceback.

Exit code 1 reports that some inputs failed or that something differs. An unexpected error
therefore ends with exit code 2.
"""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from ..escape import escaped_streams, printable
from .errors import FAILED


class SafeTyper(typer.Typer):
    """An application whose commands are `SafeCommand`s."""

    def __init__(self, **options: Any) -> None:
        super().__init__(cls=SafeGroup, **options)

    def command(self, *names: Any, **options: Any) -> Callable[..., Any]:
        return super().command(*names, cls=SafeCommand, **options)


class SafeCommand(TyperCommand):
    """Runs with standard output and standard error escaped."""

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
    """Escapes the messages of usage errors, which quote arguments and are printed by Typer."""

    def make_context(self, *given: Any, **options: Any) -> Any:
        with _usage_errors_escaped():
            return super().make_context(*given, **options)

    def invoke(self, ctx: Any) -> Any:
        with _usage_errors_escaped():
            return super().invoke(ctx)


@contextlib.contextmanager
def _usage_errors_escaped() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if _is_usage_error(error):
            error.message = printable(error.message)  # type: ignore[attr-defined]
        raise


def _is_usage_error(error: Exception) -> bool:
    """Whether Typer prints it. Its class has been click's, and Typer's own copy of it."""
    return hasattr(error, "format_message") and hasattr(error, "message")
