"""`mtcnn-cpp inspect`: what is in a trace file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .errors import errors_reported, file_named
from .inputs import parse_index
from .reports import AnyFormat, Format, console, grid, number, print_json, say

if TYPE_CHECKING:
    from ..trace import Trace
    from ..trace.file.manifest import Entry


def register(app: typer.Typer) -> None:
    app.command()(inspect)


def inspect(
    trace: Annotated[Path, typer.Argument(help="A trace file.")],
    name: Annotated[
        str | None, typer.Argument(help="A tensor, or a pattern of names to list.", show_default=False)
    ] = None,
    at: Annotated[str | None, typer.Option(help="One element, e.g. 0,3,4.", show_default=False)] = None,
    format: AnyFormat = Format.table,
) -> None:
    """List a trace, or show one tensor's statistics and values."""
    from ..trace import Trace
    from ..trace.names import is_pattern

    with errors_reported(), file_named(trace), Trace.load(trace) as opened:
        if name is not None and name in opened:
            _one(opened, opened.entry(name), at, format)
            return
        if name is not None and not is_pattern(name):
            opened.entry(name)  # raises, with the nearest names
        _list(opened, opened.select(name or "*").manifest.tensors, format)


def _list(trace: Trace, listed: Sequence[Entry], format: Format) -> None:
    from ..console import plain_text
    from ..trace.file.manifest import entry_to_json

    manifest = trace.manifest
    if format is Format.json:
        print_json(manifest.about() | {"tensors": [entry_to_json(entry) for entry in listed]})
        return
    say(f"{trace.source}: {len(trace)} tensors, capture level {manifest.capture}", "bold")
    say("what its manifest says:")
    for key, value in manifest.about().items():
        if value and key != "capture":
            say(f"  {key}: {value}")
    statistics = ("min", "max", "mean") if manifest.capture == "stats" else ()
    table = grid("tensor", "shape", "dtype", "axes", "SHA-256", *statistics)
    for entry in listed:
        found = entry.statistics
        figures = (found.minimum, found.maximum, found.mean) if found else ()
        shape = "x".join(map(str, entry.shape))
        digest = (entry.sha256 or "")[:12]
        table.add_row(plain_text(entry.name), shape, entry.dtype, entry.layout, digest, *map(number, figures))
    console().print(table)


def _one(trace: Trace, entry: Entry, at: str | None, format: Format) -> None:
    import numpy as np

    from ..trace.file.manifest import entry_to_json
    from ..trace.file.statistics import Statistics
    from ..trace.judge.plain import plain

    values = trace[entry.name] if trace.manifest.capture == "full" else None
    found = entry.statistics if values is None else Statistics.of(values)
    about = entry_to_json(entry) | ({"statistics": found.to_json()} if found else {})
    if at is not None:
        element = _element(trace, entry, at)
        about["element"] = {"at": list(parse_index(at)), "value": str(element), "hex": float(element).hex()}
    if format is Format.json:
        typer.echo(json.dumps(about | ({} if values is None else {"values": plain(values)})))
        return
    for key, value in about.items():
        say(f"{key}: {value}")
    if values is not None and at is None:
        for line in np.array2string(values, threshold=400, edgeitems=4, max_line_width=150).splitlines():
            say(line)


def _element(trace: Trace, entry: Entry, at: str) -> Any:
    index = parse_index(at)
    try:
        if len(index) != len(entry.shape) or min(index) < 0:
            raise IndexError
        return trace[entry.name][index]
    except IndexError:
        raise ValueError(f"{entry.name} has shape {entry.shape}; --at {at} is not in it") from None
