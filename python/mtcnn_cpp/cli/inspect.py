"""`mtcnn-cpp inspect`: what is in a trace file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .errors import errors_reported
from .inputs import parse_index
from .reports import AnyFormat, Format, console, number

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

    with errors_reported():
        opened = Trace.load(trace)
        if name is not None and name in opened:
            _one(opened, opened.entry(name), at, format)
            return
        if name is not None and not is_pattern(name):
            opened.entry(name)  # raises, with the nearest names
        _list(opened, opened.select(name or "*").manifest.tensors, format)


def _list(trace: Trace, chosen: Sequence[Entry], format: Format) -> None:
    from rich import box, table
    from rich.text import Text

    from ..trace.file.manifest import entry_to_json

    manifest = trace.manifest
    about: dict[str, Any] = {
        "capture": manifest.capture,
        "only": list(manifest.only),
        "picture": vars(manifest.picture) if manifest.picture else None,
        "options": dict(manifest.options),
        "model": dict(manifest.model),
        "made_by": dict(manifest.made_by),
    }
    if format is Format.json:
        typer.echo(json.dumps(about | {"tensors": [entry_to_json(entry) for entry in chosen]}, indent=1))
        return
    out = console()
    out.print(Text(f"{trace.source}: {len(trace)} tensors, capture level {manifest.capture}", "bold"))
    for key, value in about.items():
        if value and key != "capture":
            out.print(Text(f"  {key}: {value}"), soft_wrap=True)
    grid = table.Table(box=box.SIMPLE_HEAD)
    with_figures = manifest.capture == "stats"
    for title in ("tensor", "shape", "dtype", "axes", "SHA-256", *("min", "max", "mean") * with_figures):
        grid.add_column(title, no_wrap=True)
    for entry in chosen:
        found = entry.statistics
        figures = (found.minimum, found.maximum, found.mean) if found else ()
        shape = "x".join(map(str, entry.shape))
        digest = (entry.sha256 or "")[:12]
        grid.add_row(Text(entry.name), shape, entry.dtype, entry.layout, digest, *map(number, figures))
    out.print(grid)


def _one(trace: Trace, entry: Entry, at: str | None, format: Format) -> None:
    import numpy as np
    from rich.text import Text

    from ..trace.file.manifest import entry_to_json
    from ..trace.file.statistics import Statistics

    values = trace[entry.name] if trace.manifest.capture == "full" else None
    found = entry.statistics if values is None else Statistics.of(values)
    about = entry_to_json(entry) | ({"statistics": found.to_json()} if found else {})
    if at is not None:
        element = _element(trace, entry, at)
        about["element"] = {"at": list(parse_index(at)), "value": str(element), "hex": float(element).hex()}
    if format is Format.json:
        typer.echo(json.dumps(about | ({} if values is None else {"values": _nested(values)})))
        return
    out = console()
    for key, value in about.items():
        out.print(Text(f"{key}: {value}"), soft_wrap=True)
    if values is not None and at is None:
        out.print(
            Text(np.array2string(values, threshold=400, edgeitems=4, max_line_width=150)), soft_wrap=True
        )


def _element(trace: Trace, entry: Entry, at: str) -> Any:
    index = parse_index(at)
    try:
        if len(index) != len(entry.shape) or min(index) < 0:
            raise IndexError
        return trace[entry.name][index]
    except IndexError:
        raise ValueError(f"{entry.name} has shape {entry.shape}; --at {at} is not in it") from None


def _nested(values: Any) -> Any:
    """Nested lists for JSON; NaN and infinities as words."""
    if values.ndim:
        return [_nested(part) for part in values]
    number = values.item()
    return number if number == number and abs(number) != float("inf") else str(number)
