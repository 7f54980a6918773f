"""What the report shows of single tensors: a section a layer kind, with pictures of its first tensor."""

from __future__ import annotations

import base64
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import TraceError
from ..judge.report import Report, Row
from ..judge.side_by_side import SideBySide, explain_both
from ..names import template

PICTURES = 12  # kinds that are shown with pictures
ROWS = 20  # rows of a table of boxes that are shown
STEPS = 12  # steps of a sum that are shown at its begin, and around the one that parts


@dataclass(frozen=True)
class Step:
    """A line of the sums side by side; `number` is 0 where lines are left out."""

    number: int
    cells: tuple[str, ...] = ()
    parts: bool = False


@dataclass(frozen=True)
class Detail:
    """One tensor. `pictures`: caption and data URI; `table`: rows of (index, a, b) for tensors that are lists
    of boxes; `correlation`: colour and title for each channel; `sum`: how the worst value came about, with
    some of its steps."""

    row: Row
    pictures: tuple[tuple[str, str], ...] = ()
    table: tuple[tuple[int, str, str], ...] = ()
    table_note: str = ""
    correlation: tuple[tuple[str, str], ...] = ()
    sum: SideBySide | None = None
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Section:
    """A layer kind: `rows` are its tensors that are told of, `of` counts all of them; `detail` is of the
    first one."""

    kind: str
    rows: tuple[Row, ...]
    of: int
    detail: Detail


def sections(report: Report) -> list[Section]:
    """The kinds that failed (or, where none did, that differ at all), in execution order."""
    told = [row for row in report.rows if not row.ok] or [row for row in report.rows if row.figures]
    kinds: dict[str, list[Row]] = defaultdict(list)
    for row in told:
        kinds[template(row.name)].append(row)
    counts: dict[str, int] = defaultdict(int)
    for row in report.rows:
        counts[template(row.name)] += 1
    return [
        Section(kind, tuple(rows), counts[kind], detail(report, rows[0], pictures=number < PICTURES))
        for number, (kind, rows) in enumerate(kinds.items())
    ]


def links(found: list[Section]) -> dict[str, str]:
    """Where on the page a tensor is shown: in the section of its kind."""
    return {row.name: f"t-{row.name}" for section in found for row in section.rows}


def detail(report: Report, row: Row, *, pictures: bool) -> Detail:
    from . import plots

    if row.a is None or row.b is None or (row.a.shape, row.a.dtype) != (row.b.shape, row.b.dtype):
        return Detail(row)
    if not report.a.manifest.capture == report.b.manifest.capture == "full":
        return Detail(row)
    a, b = report.a[row.name], report.b[row.name]
    correlation = correlations(row)
    if row.a.layout.startswith(("box", "pick")) or a.dtype.kind != "f":
        return Detail(row, (), *table(a, b), correlation)
    shown = []
    if pictures and a.ndim in (2, 3):
        picture, channels = plots.heat_maps(a, b)
        count = len(a) if a.ndim == 3 else 1
        caption = (
            f"{len(channels)} of {count} channels, those that differ most" if count > len(channels) else ""
        )
        shown.append((caption, uri(picture)))
    elif pictures and a.ndim == 1:
        shown.append(("", uri(plots.lines(a, b))))
    if pictures and row.figures:
        shown.append(("", uri(plots.distributions(a, b))))
    pair = worst_sum(report, row)
    steps = () if pair is None else tuple(some_steps(pair))
    return Detail(row, tuple(shown), correlation=correlation, sum=pair, steps=steps)


def table(a: NDArray[Any], b: NDArray[Any]) -> tuple[tuple[tuple[int, str, str], ...], str]:
    differ = np.flatnonzero((a != b).reshape(len(a), -1).any(axis=1)) if a.size else np.arange(0)
    rows = tuple((int(i), values(a[i]), values(b[i])) for i in differ[:ROWS])
    return rows, f"{len(differ)} of {len(a)} rows differ" + (
        f"; the first {ROWS}:" if len(differ) > ROWS else ":"
    )


def values(row: NDArray[Any]) -> str:
    return "  ".join(str(value) for value in np.ravel(row))


def correlations(row: Row) -> tuple[tuple[str, str], ...]:
    """A colour for each channel: green at 1, white at 0, red at -1, grey where there is none."""
    if row.figures is None:
        return ()
    return tuple(
        (correlation_colour(value), f"{number}: {'constant' if value != value else f'{value:+.6f}'}")
        for number, value in enumerate(row.figures.correlation)
    )


def correlation_colour(value: float) -> str:
    if value != value:
        return "#9ca3af"
    full, depth = ((0x15, 0x80, 0x3D) if value >= 0 else (0xD0, 0x20, 0x20)), min(abs(value), 1.0)
    red, green, blue = (round(255 + (part - 255) * depth) for part in full)
    return f"#{red:02x}{green:02x}{blue:02x}"


def worst_sum(report: Report, row: Row) -> SideBySide | None:
    """How the worst value came about, for layers of the built-in networks; None for other tensors."""
    if row.figures is None or row.figures.worst is None:
        return None
    try:
        return explain_both(report.a, report.b, row.name, row.figures.worst.index)
    except TraceError:  # no layer's output, or networks that are not known
        return None


def some_steps(pair: SideBySide) -> list[Step]:
    """The first steps of both sums, those around the one that parts, and the last."""
    terms = list(zip(pair.a.terms, pair.b.terms, strict=True))
    centre = pair.parting or 0
    wanted = {*range(STEPS // 2), *range(centre - 3, centre + 4), len(terms) - 1} & set(range(len(terms)))
    result: list[Step] = []
    for number in sorted(wanted):
        if result and result[-1].number != number:
            result.append(Step(0))
        x, y = terms[number]
        weights = ["" if one.weight is None else str(one.weight) for one in (x, y)]
        sums = [str(getattr(one.running, pair.a.rule)) for one in (x, y)]
        place = ",".join(map(str, x.index))
        cells = (place, str(x.value), str(y.value), *weights, *sums)
        result.append(Step(number + 1, cells, number == pair.parting))
    return result


def uri(png: bytes) -> str:
    """PNG bytes as an address that holds them."""
    return "data:image/png;base64," + base64.b64encode(png).decode()
