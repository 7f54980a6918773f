"""`mtcnn-cpp explain`: how one output value came about."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .errors import INCOMPLETE, errors_reported
from .inputs import parse_index
from .options import ModelPath
from .reports import AnyFormat, Format, console, grid, print_json, say

if TYPE_CHECKING:
    from ..trace.judge.explanation import Explanation, Running

RULES = {"fma": "float32, fused", "mul_add": "float32, mul then add", "double": "float64"}


def register(app: typer.Typer) -> None:
    app.command()(explain)


def explain(
    trace: Annotated[Path, typer.Argument(help="A trace file, with values.")],
    name: Annotated[str, typer.Argument(help="A layer's output, e.g. pnet/level02/conv1.")],
    at: Annotated[str, typer.Option(help="Which value, e.g. 0,0,1 for channel, y, x.")],
    model: ModelPath = None,
    format: AnyFormat = Format.table,
) -> None:
    """Print the sum of one output step by step, in three arithmetics, beside the recorded value.

    Exit code 0: the recorded value is what the specification's arithmetic gives; 1: it is not.
    """
    from ..model import Model
    from ..trace import Trace
    from ..trace import explain as work_out

    with errors_reported():
        found = work_out(Trace.load(trace), name, parse_index(at), Model.load(model) if model else None)
        if format is Format.json:
            print_json(_plain(found))
        else:
            _print(found)
    if not found.ok:
        raise typer.Exit(INCOMPLETE)


def _print(found: Explanation) -> None:
    say(f"{found.name} at {found.index}: {found.layer} of {found.input_name}", "bold")
    table = grid(right=("step", "input at", "input", "weight", *RULES.values()))
    for number, term in enumerate(found.terms, start=1):
        weight = "" if term.weight is None else str(term.weight)
        place = ",".join(map(str, term.index))
        table.add_row(str(number), place, str(term.value), weight, *_sums(term.running))
    if found.bias is not None:
        table.add_section()
        table.add_row("", "", "+ bias", str(found.bias), *_sums(found.results))
    console().print(table)
    say(f"recorded: {found.recorded!s} ({float(found.recorded).hex()})", "bold")
    for rule, words in RULES.items():
        value = getattr(found.results, rule)
        spec = " (the specification's)" if rule == found.rule else ""
        style = "" if rule != found.rule else "green" if found.ok else "red"
        apart = f"{found.ulps(rule):g} ulp from the recorded value"
        say(f"{words}{spec}: {value!s} ({float(value).hex()}), {apart}", style)


def _sums(running: Running) -> tuple[str, str, str]:
    return str(running.fma), str(running.mul_add), repr(running.double)


def _plain(found: Explanation) -> dict[str, Any]:
    """For JSON. Floats are hexadecimal, so that no digit is lost."""

    def running(values: Running) -> dict[str, str]:
        return {rule: float(getattr(values, rule)).hex() for rule in RULES}

    return {
        "name": found.name,
        "at": found.index,
        "layer": found.layer,
        "input": found.input_name,
        "rule": found.rule,
        "ok": found.ok,
        "recorded": float(found.recorded).hex(),
        "bias": None if found.bias is None else float(found.bias).hex(),
        "results": running(found.results),
        "steps": [
            {
                "at": term.index,
                "value": float(term.value).hex(),
                "weight": None if term.weight is None else float(term.weight).hex(),
                **running(term.running),
            }
            for term in found.terms
        ],
    }
