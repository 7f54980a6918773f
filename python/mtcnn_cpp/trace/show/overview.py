"""The drawings over the whole of a report: the bar of all tensors, and the error over the layers. As SVG
figures, which the page's template puts down."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

from ..judge.report import Report, Row
from ..judge.verdict import Verdict

COLOURS: dict[Verdict, str] = {
    "identical": "#15803d",
    "equal": "#4d9f3f",
    "ulp": "#84a81c",
    "close": "#b0a010",
    "similar": "#ea7a0c",
    "different": "#d02020",
    "missing": "#a3157f",
    "extra": "#6d28d9",
    "unchecked": "#6b7280",
}
LOW, HIGH = -8.0, 1.0  # decades of the plot of errors


@dataclass(frozen=True)
class Piece:
    """A piece of the bar, 1000 wide. `link`: where a click leads, without the #."""

    left: float
    width: float
    colour: str
    title: str
    link: str


def strip(report: Report, links: Mapping[str, str]) -> list[Piece]:
    """The tensors in execution order. What passed is joined with equal neighbours; each failure stands alone,
    and comes last, so that it is drawn above, never too thin to be seen. `links`: by name of tensor."""
    count = max(len(report.rows), 1)
    numbered = list(enumerate(report.rows))
    pieces = []
    for (verdict, ok, _), run in groupby(numbered, lambda one: (one[1].verdict, one[1].ok, _alone(*one))):
        places = list(run)
        left, right = places[0][0] / count * 1000, (places[-1][0] + 1) / count * 1000
        name = places[0][1].name
        title = name + (f" … {places[-1][1].name}" if len(places) > 1 else "")
        width = right - left if ok else max(right - left, 2.5)
        link = links.get(name, f"r-{name}")
        pieces.append((ok, Piece(left, width, COLOURS[verdict], f"{title}: {verdict}", link)))
    return [piece for _, piece in sorted(pieces, key=lambda one: not one[0])]


def _alone(place: int, row: Row) -> int:
    return -1 if row.ok else place


def stages(report: Report) -> list[tuple[float, str]]:
    """Where each network begins on the bar."""
    count = max(len(report.rows), 1)
    result = []
    for stage, run in groupby(enumerate(report.rows), key=lambda item: item[1].name.partition("/")[0]):
        result.append((next(run)[0] / count * 1000, stage))
    return result


@dataclass(frozen=True)
class Dot:
    """A tensor in the plot of errors, at (x, y) of 1000 x 160."""

    x: float
    y: float
    colour: str
    title: str
    link: str


def errors(report: Report, links: Mapping[str, str]) -> list[Dot]:
    """The largest difference of each tensor that was measured, as a share of its greatest magnitude in a,
    from 1e-8 at the bottom (and below) to 10 at the top (and above)."""
    return list(_errors(report, links))


def _errors(report: Report, links: Mapping[str, str]) -> Iterator[Dot]:
    count = max(len(report.rows), 1)
    for place, row in enumerate(report.rows):
        if row.figures is None and row.verdict != "identical":
            continue
        share = 0.0
        if row.figures is not None:
            share = row.figures.absolute.maximum / max(row.figures.magnitude, 1e-30)
        decade = min(max(math.log10(share), LOW), HIGH) if share > 0 else LOW
        y = 8 + (HIGH - decade) / (HIGH - LOW) * 144
        title = f"{row.name}: {share:.1e} of its greatest magnitude"
        x = (place + 0.5) / count * 1000
        yield Dot(x, y, COLOURS[row.verdict], title, links.get(row.name, f"r-{row.name}"))


def grid_lines() -> list[tuple[float, str]]:
    """Heights of the plot's lines, and their labels."""
    return [(8 + (HIGH - decade) / (HIGH - LOW) * 144, f"1e{decade}") for decade in (0, -2, -4, -6, -8)]
