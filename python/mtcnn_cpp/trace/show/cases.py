"""What a comparison found as cases that passed or failed: for JUnit, for annotations on GitHub, and as
colours on the graphs that Model Explorer shows."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ...escape import github_message, github_property, markup_text
from ...reference.plan import STAGES
from ..judge.report import Report, Row

ANNOTATIONS = 10  # that GitHub shows of a step
WORST = 10.0  # the share that stands for what cannot be measured: another shape, NaN, a missing tensor
# Up to these shares of a layer's greatest magnitude a node has that colour.
THRESHOLDS = ((0.0, "#15803d"), (2e-5, "#84a81c"), (1e-2, "#ea7a0c"), (WORST, "#d02020"))


@dataclass(frozen=True)
class Case:
    """A tensor or a layer. `group`: its network; `name`: what it is called; `words`: the reason. skipped: not
    compared, and no failure. share: how far off, of the greatest magnitude; None where that is not known."""

    group: str
    name: str
    ok: bool
    words: str = ""
    skipped: bool = False
    share: float | None = None


def report_cases(report: Report) -> list[Case]:
    """A case for each tensor, in execution order."""
    return [_case(row) for row in report.rows]


def _case(row: Row) -> Case:
    group = row.name.partition("/")[0]
    words = f"{row.words}: {row.reason}" if row.reason else row.words
    share: float | None = 0.0 if row.verdict == "identical" else None
    if row.figures is not None:
        share = row.figures.absolute.maximum / max(row.figures.magnitude, 1e-30)
        if row.figures.worst is not None and not row.ok:
            words += f"; worst element {row.figures.worst}"
    both = row.a is not None and row.b is not None
    return Case(group, row.name, row.ok, words, skipped=row.ok and not both, share=share)


def junit(cases: Sequence[Case], suite: str) -> str:
    """A JUnit file: a suite with a test case for each case."""
    failed, skipped = sum(not case.ok for case in cases), sum(case.skipped for case in cases)
    counts = f'tests="{len(cases)}" failures="{failed}" errors="0" skipped="{skipped}"'
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f"<testsuites {counts}>"]
    lines.append(f'<testsuite name="{markup_text(suite)}" {counts}>')
    lines += [_testcase(case) for case in cases]
    return "\n".join([*lines, "</testsuite>", "</testsuites>", ""])


def _testcase(case: Case) -> str:
    head = f'<testcase classname="{markup_text(case.group)}" name="{markup_text(case.name)}"'
    words = markup_text(case.words)
    if case.skipped:
        return f'{head}><skipped message="{words}"/></testcase>'
    if case.ok:
        return f"{head}/>"
    return f'{head}><failure message="{words}">{words}</failure></testcase>'


def github(cases: Iterable[Case], headline: str) -> Iterator[str]:
    """Workflow commands of GitHub: an error for the headline and for the first cases that failed; a notice
    where all passed."""
    failed = [case for case in cases if not case.ok]
    if not failed:
        yield f"::notice title=mtcnn-cpp::{github_message(headline)}"
        return
    yield f"::error title=mtcnn-cpp::{github_message(headline)}"
    for case in failed[: ANNOTATIONS - 1]:
        yield f"::error title={github_property(case.name)}::{github_message(case.words)}"


def model_explorer(cases: Iterable[Case]) -> str:
    """Node data for Model Explorer: for each graph of `export_onnx`, by its name, the layers by the names of
    their outputs. A value is the worst share over all levels or crops; WORST where something could not be
    measured."""
    graphs: dict[str, dict[str, float]] = {stage.file_name: {} for stage in STAGES.values()}
    titles = {name: stage.file_name for name, stage in STAGES.items()}
    for case in cases:
        layer = case.name.rpartition("/")[2]
        title = next((title for name, title in titles.items() if name == case.group), None)
        if title is None or case.skipped or not re.fullmatch("[a-z]+[0-9]+|input", layer):
            continue
        share = WORST if case.share is None or not math.isfinite(case.share) else min(case.share, WORST)
        graphs[title][layer] = max(graphs[title].get(layer, 0.0), share)
    thresholds = [{"value": value, "bgColor": colour, "textColor": "#ffffff"} for value, colour in THRESHOLDS]
    data = {
        title: {
            "results": {layer: {"value": share} for layer, share in found.items()},
            "thresholds": thresholds,
        }
        for title, found in graphs.items()
        if found
    }
    return json.dumps(data, indent=1, allow_nan=False) + "\n"
