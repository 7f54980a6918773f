"""`mtcnn-cpp explain`: print the sum behind one output value."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .errors import INCOMPLETE, name_files_in_errors, report_errors
from .options import Format, ModelPath, OutputFormat, SecondModelPath, parse_index
from .reports import console, make_table, print_json, print_text

if TYPE_CHECKING:
    from ..trace.comparison.explanation import DifferenceExplanation, Explanation, PartialResult


RULES = {"fma": "float32, fused", "mul_add": "float32, mul then add", "double": "float64"}


def explain(
    trace: Annotated[Path, typer.Argument(help="Trace file with values.")],
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="[OTHER] NAME",
            help="Name of a layer's output, e.g. pnet/level02/conv1. To compare two traces, "
            "give the second trace before this name.",
        ),
    ],
    at: Annotated[str, typer.Option(help="Index of the value, e.g. 0,0,1 for channel, y, x.")],
    model: ModelPath = None,
    model_b: SecondModelPath = None,
    format: Format = OutputFormat.table,
) -> None:
    """Print how one output value is computed: each step of its sum, and the recorded value.

    The sum is printed in three kinds of arithmetic: float32 with fused multiply-add, float32 without,
    float64. For two traces, the sum of each trace is printed, and the first step that differs is
    marked.

    Exit code 0: the recorded value equals the sum in OpenFace's arithmetic (two traces: both recorded the
    same value); 1: the values differ.
    """
    from ..model import Model
    from ..trace import Trace, explain_difference
    from ..trace import explain as explain_value

    with report_errors(), name_files_in_errors(trace, *names[:-1]), contextlib.ExitStack() as files:
        index, networks = parse_index(at), Model.load(model) if model else None
        if len(names) > 2:
            raise ValueError(f"expected one or two traces and one name, found {len(names) + 1} arguments")
        if len(names) == 2:
            other = Model.load(model_b) if model_b else None
            first, second = (files.enter_context(Trace.load(path)) for path in (trace, names[0]))
            pair = explain_difference(first, second, names[1], index, networks, other)
            if format is OutputFormat.json:
                print_json(_pair_to_json(pair))
            else:
                _print_pair(pair)
            ok = pair.ok
        else:
            explanation = explain_value(files.enter_context(Trace.load(trace)), names[0], index, networks)
            if format is OutputFormat.json:
                print_json(_to_json(explanation))
            else:
                _print(explanation)
            ok = explanation.ok
    if not ok:
        raise typer.Exit(INCOMPLETE)


def _print_pair(pair: DifferenceExplanation) -> None:
    """Print both sums, one line per step, and mark the first step that differs."""
    a, b = pair.a, pair.b
    print_text(f"{a.name} at {a.index}: {a.layer} of {a.input_name}", "bold")
    table = make_table(
        right=("step", "input at", "input a", "input b", "weight a", "weight b", "sum a", "sum b"),
    )
    for number, (x, y) in enumerate(zip(a.terms, b.terms, strict=True)):
        weights = ["" if one.weight is None else str(one.weight) for one in (x, y)]
        sums = [str(getattr(one.running, a.rule)) for one in (x, y)]
        style = "bold red" if number == pair.first_difference else None
        place = ",".join(map(str, x.index))
        mark = "→ " if number == pair.first_difference else ""
        table.add_row(f"{mark}{number + 1}", place, str(x.value), str(y.value), *weights, *sums, style=style)
    if a.bias is not None:
        sums = [str(getattr(one.results, a.rule)) for one in (a, b)]
        table.add_section()
        table.add_row("", "", "", "+ bias", str(a.bias), str(b.bias), *sums)
    console().print(table)
    for side, one in (("a", a), ("b", b)):
        value = float(one.recorded)
        print_text(
            f"recorded in {side}: {one.recorded!s} ({value.hex()}), {one.ulps(one.rule):g} ulp from the sum"
        )
    print_text(pair.why, "green" if pair.ok else "bold red")
    for note in pair.notes:
        print_text(f"note: {note}", "dim")


def _pair_to_json(pair: DifferenceExplanation) -> dict[str, Any]:
    """Return both explanations, and the number of the first step that differs.

    Steps are counted from 0. The number is None (null in JSON) if no step differs.
    """
    return {
        "ok": pair.ok,
        "parting": pair.first_difference,
        "why": pair.why,
        "notes": list(pair.notes),
        "a": _to_json(pair.a),
        "b": _to_json(pair.b),
    }


def _print(explanation: Explanation) -> None:
    print_text(
        f"{explanation.name} at {explanation.index}: {explanation.layer} of {explanation.input_name}", "bold"
    )
    table = make_table(right=("step", "input at", "input", "weight", *RULES.values()))
    for number, term in enumerate(explanation.terms, start=1):
        weight = "" if term.weight is None else str(term.weight)
        place = ",".join(map(str, term.index))
        table.add_row(str(number), place, str(term.value), weight, *_sums(term.running))
    if explanation.bias is not None:
        table.add_section()
        table.add_row("", "", "+ bias", str(explanation.bias), *_sums(explanation.results))
    console().print(table)
    print_text(f"recorded: {explanation.recorded!s} ({float(explanation.recorded).hex()})", "bold")
    for rule, title in RULES.items():
        value = getattr(explanation.results, rule)
        spec = " (the specification's)" if rule == explanation.rule else ""
        style = "" if rule != explanation.rule else "green" if explanation.ok else "red"
        apart = f"{explanation.ulps(rule):g} ulp from the recorded value"
        print_text(f"{title}{spec}: {value!s} ({float(value).hex()}), {apart}", style)


def _sums(running: PartialResult) -> tuple[str, str, str]:
    return str(running.fma), str(running.mul_add), repr(running.double)


def _to_json(explanation: Explanation) -> dict[str, Any]:
    """Return an explanation for JSON. Its numbers are hexadecimal, so that no digit is lost."""

    def running(values: PartialResult) -> dict[str, str]:
        return {rule: float(getattr(values, rule)).hex() for rule in RULES}

    return {
        "name": explanation.name,
        "at": explanation.index,
        "layer": explanation.layer,
        "input": explanation.input_name,
        "rule": explanation.rule,
        "ok": explanation.ok,
        "recorded": float(explanation.recorded).hex(),
        "bias": None if explanation.bias is None else float(explanation.bias).hex(),
        "results": running(explanation.results),
        "steps": [
            {
                "at": term.index,
                "value": float(term.value).hex(),
                "weight": None if term.weight is None else float(term.weight).hex(),
                **running(term.running),
            }
            for term in explanation.terms
        ],
    }
