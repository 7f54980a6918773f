"""The command `mtcnn-cpp`.

Each subcommand parses its arguments, calls the package, prints the result and returns an exit code.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from .bench import bench
from .compare import compare
from .compare_original import compare_original
from .conformance import conformance
from .detect import detect
from .doctor import doctor
from .errors import SafeTyper, handle_sigterm, show_tracebacks
from .explain import explain
from .explore import explore
from .export_annotations import export_annotations
from .info import info, sample
from .networks import export, verify
from .options import expand_option_groups, join_lines
from .traces import diff, dump, inspect, validate

app = SafeTyper(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(requested: bool) -> None:
    if requested:
        from .. import __version__

        typer.echo(f"mtcnn-cpp {__version__}")
        raise typer.Exit


def main(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
    debug: Annotated[
        bool,
        typer.Option(
            "--debug",
            envvar="MTCNN_CPP_DEBUG",
            help="If an error occurs, print its traceback before its message. The exit code does not change.",
        ),
    ] = False,
) -> None:
    """OpenFace's MTCNN face detector, bit for bit.

    Exit codes: 0 success; 1 completed, but with failed inputs or differences; 2 could not start or had to
    stop; 130 ended by Ctrl-C; 143 ended by SIGTERM.
    """
    handle_sigterm()
    show_tracebacks(debug)
    # from here on, characters that the terminal cannot show are escaped, for example those in file names
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


app.callback(help=join_lines(main))(main)
for command in (
    *(detect, dump, diff, inspect, validate, compare, compare_original, explain, explore, export, verify),
    *(export_annotations, doctor, conformance, bench, sample, info),
):
    app.command(command.__name__.replace("_", "-"), help=join_lines(command))(expand_option_groups(command))
