"""One value's sum as the page gets it: every number as its shortest exact text."""

from __future__ import annotations

from typing import Any

from ..trace.judge.explanation import Explanation, Running, explain
from ..trace.judge.side_by_side import explain_both
from .source import Source


def sum_of(source: Source, name: str, at: tuple[int, ...], side: str) -> dict[str, Any]:
    """The sum behind one element: of a and b beside each other where `side` is "both", else of that side."""
    if side != "both":
        one = source.side(side)
        return {"sums": [_told(explain(one.trace, name, at, one.model), side)], "notes": []}
    a, b = source.side("a"), source.side("b")
    pair = explain_both(a.trace, b.trace, name, at, a.model, b.model)
    return {
        "sums": [_told(pair.a, "a"), _told(pair.b, "b")],
        "parting": pair.parting,
        "why": pair.why,
        "notes": list(pair.notes),
    }


def _told(found: Explanation, side: str) -> dict[str, Any]:
    return {
        "side": side,
        "layer": found.layer,
        "input": found.input_name,
        "rule": found.rule,
        "ok": found.ok,
        "recorded": str(found.recorded),
        "hex": float(found.recorded).hex(),
        "bias": None if found.bias is None else str(found.bias),
        "results": _running(found.results),
        "apart": {rule: found.ulps(rule) for rule in ("fma", "mul_add", "double")},
        "steps": [
            [
                list(term.index),
                str(term.value),
                None if term.weight is None else str(term.weight),
                *_running(term.running).values(),
            ]
            for term in found.terms
        ],
    }


def _running(values: Running) -> dict[str, str]:
    return {"fma": str(values.fma), "mul_add": str(values.mul_add), "double": repr(float(values.double))}
