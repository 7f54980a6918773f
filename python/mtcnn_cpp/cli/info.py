"""`mtcnn-cpp info`: which build this is, what it runs on and with which networks."""

from __future__ import annotations

import enum
import json
from typing import Annotated, Any

import typer

from .errors import errors_reported
from .options import ModelPath


class Format(str, enum.Enum):
    table = "table"
    json = "json"


def register(app: typer.Typer) -> None:
    app.command()(info)


def info(
    format: Annotated[Format, typer.Option(help="What to print.")] = Format.table, model: ModelPath = None
) -> None:
    """Version, compiler, OpenCV, the variants of the core and which one runs, SHA-256 of the networks."""
    from ..backends.core import import_core
    from ..image import opencv_version
    from ..model import Model

    with errors_reported():
        core = import_core()
        found: dict[str, Any] = {
            **core.build_info(),
            "active_isa": core.active_isa(),
            "isa_variants": core.isa_variants(),
            "opencv": opencv_version(),
            "openface": _openface(),
            "model": (Model.load(model) if model else Model.default()).hashes(),
        }
        if format is Format.json:
            typer.echo(json.dumps(found, indent=1))
        else:
            _print_table(found)


def _openface() -> dict[str, str]:
    """What was bound, or the error that says why nothing is."""
    from ..backends.openface import describe

    try:
        return {"state": "bound", **describe()}
    except ImportError as error:
        return {"state": str(error)}


def _print_table(found: dict[str, Any]) -> None:
    from rich import box, table

    from ..console import plain_text
    from .reports import console

    rows = table.Table(box=box.SIMPLE, show_header=False)
    rows.add_column()
    rows.add_column(overflow="fold")
    for name in ("version", "compiler", "flags", "opencv"):
        rows.add_row(name, plain_text(str(found[name])))
    for variant in found["isa_variants"]:
        active = variant["name"] == found["active_isa"]
        state = "active" if active else "can run" if variant["supported"] else "cannot run here"
        rows.add_row(f"isa {variant['name']}", plain_text(f"{state}: {variant['description']}"))
    rows.add_row("openface", plain_text(_openface_words(found["openface"])))
    for stage, digest in found["model"].items():
        rows.add_row(f"model {stage}", plain_text(digest))
    console().print(rows)


def _openface_words(found: dict[str, str]) -> str:
    if found["state"] != "bound":
        return found["state"]
    version = f" {found['version']}" if found["version"] else ""
    library = f"{found['library']} ({found['kind']})"
    sums = f"sums by its BLAS ({found['blas']})" if found["sums"] == "blas" else "ordered sums"
    return f"bound{version}: {library}, {sums}, OpenCV {found['opencv']}"
