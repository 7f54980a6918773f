"""`mtcnn-cpp explain`: how one output value came about."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .errors import INCOMPLETE, errors_reported, file_named
from .inputs import parse_index
from .options import ModelPath
from .reports import AnyFormat, Format, console, grid, print_json, say

if TYPE_CHECKING:
    from ..trace.judge.explanation import Explanation, Running
    from ..trace.judge.side_by_side import SideBySide

RULES = {"fma": "float32, fused", "mul_add": "float32, mul then add", "double": "float64"}


def register(app: typer.Typer) -> None:
    app.command()(explain)


def explain(
    trace: Annotated[Path, typer.Argument(help="A trace file, with values.")],
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="[OTHER] NAME",
            help="A layer's output, e.g. pnet/level02/conv1; before it, another trace to lay beside it.",
        ),
    ],
    at: Annotated[str, typer.Option(help="Which value, e.g. 0,0,1 for channel, y, x.")],
    model: ModelPath = None,
    model_b: Annotated[
        Path | None, typer.Option(help="The networks of the other trace.", show_default="those of the first")
    ] = None,
    format: AnyFormat = Format.table,
) -> None:
    """Print the sum of one output step by step, in three arithmetics, beside the recorded value; of two
    traces side by side, with the first step at which they part.

    Exit code 0: the recorded value is what the specification's arithmetic gives, or, of two traces, both
    recorded the same; 1: it is not.
    """
    from ..model import Model
    from ..trace import Trace, explain_both
    from ..trace import explain as work_out

    with errors_reported(), file_named(trace, *names[:-1]), contextlib.ExitStack() as files:
        index, networks = parse_index(at), Model.load(model) if model else None
        if len(names) > 2:
            raise ValueError(f"expected one or two traces and one name, found {len(names) + 1} words")
        if len(names) == 2:
            other = Model.load(model_b) if model_b else None
            first, second = (files.enter_context(Trace.load(path)) for path in (trace, names[0]))
            pair = explain_both(first, second, names[1], index, networks, other)
            if format is Format.json:
                print_json(plain_pair(pair))
            else:
                print_pair(pair)
            ok = pair.ok
        else:
            found = work_out(files.enter_context(Trace.load(trace)), names[0], index, networks)
            if format is Format.json:
                print_json(_plain(found))
            else:
                _print(found)
            ok = found.ok
    if not ok:
        raise typer.Exit(INCOMPLETE)


def print_pair(pair: SideBySide) -> None:
    """Both sums, a line a step; the first step that parts is marked."""
    a, b = pair.a, pair.b
    say(f"{a.name} at {a.index}: {a.layer} of {a.input_name}", "bold")
    table = grid(
        right=("step", "input at", "input a", "input b", "weight a", "weight b", "sum a", "sum b"),
    )
    for number, (x, y) in enumerate(zip(a.terms, b.terms, strict=True)):
        weights = ["" if one.weight is None else str(one.weight) for one in (x, y)]
        sums = [str(getattr(one.running, a.rule)) for one in (x, y)]
        style = "bold red" if number == pair.parting else None
        place = ",".join(map(str, x.index))
        mark = "→ " if number == pair.parting else ""
        table.add_row(f"{mark}{number + 1}", place, str(x.value), str(y.value), *weights, *sums, style=style)
    if a.bias is not None:
        sums = [str(getattr(one.results, a.rule)) for one in (a, b)]
        table.add_section()
        table.add_row("", "", "", "+ bias", str(a.bias), str(b.bias), *sums)
    console().print(table)
    for side, one in (("a", a), ("b", b)):
        value = float(one.recorded)
        say(f"recorded in {side}: {one.recorded!s} ({value.hex()}), {one.ulps(one.rule):g} ulp from its sum")
    say(pair.why, "green" if pair.ok else "bold red")
    for note in pair.notes:
        say(f"note: {note}", "dim")


def plain_pair(pair: SideBySide) -> dict[str, Any]:
    """For JSON: both explanations, and where they part (counted from 0; null: nowhere)."""
    return {
        "ok": pair.ok,
        "parting": pair.parting,
        "why": pair.why,
        "notes": list(pair.notes),
        "a": _plain(pair.a),
        "b": _plain(pair.b),
    }


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
