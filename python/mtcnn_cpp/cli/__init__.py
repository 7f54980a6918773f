"""The command `mtcnn-cpp`: a module for each subcommand, which parses, calls, prints and exits."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from . import (
    bench,
    compare,
    compare_original,
    conformance,
    detect,
    diff,
    doctor,
    dump,
    explain,
    explore,
    export,
    info,
    inspect,
    sample,
    validate,
    verify,
)
from .errors import end_in_order
from .safe import SafeTyper

app = SafeTyper(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from .. import __version__

        typer.echo(f"mtcnn-cpp {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """OpenFace's MTCNN face detector, bit for bit.

    Exit codes: 0 all done; 1 done, but something was not as it should be (such as a file that cannot be
    read); 2 could not start or had to stop; 130 ended by Ctrl-C; 143 ended by SIGTERM.
    """
    end_in_order()
    for stream in (sys.stdout, sys.stderr):  # a file name that the terminal cannot show is no reason to stop
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


for command in (
    *(detect, dump, diff, inspect, validate, compare, compare_original, explain, explore, export, verify),
    *(doctor, conformance, bench, sample, info),
):
    command.register(app)
