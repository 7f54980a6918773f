"""The sections of a report. Each kind of tensor has one section.

A section plots the first listed tensor of its kind.
"""

from __future__ import annotations

import base64
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..comparison.explanation import DifferenceExplanation, explain_difference
from ..comparison.report import Report, TensorComparison
from ..errors import TraceError
from ..names import template

MAX_PLOTS = 12  # maximum number of sections with plots
ROWS = 20  # maximum number of rows of a table of boxes
STEPS = 12  # approximate number of steps in a table: half from the start, half around the first difference


@dataclass(frozen=True)
class Step:
    """A row of the table that compares two sums. If `number` is 0, the row stands for omitted steps.

    differs: Whether this is the first step that differs.
    """

    number: int
    cells: tuple[str, ...] = ()
    differs: bool = False


@dataclass(frozen=True)
class Detail:
    """Details of one tensor.

    plots: Caption and data URI of each plot. table: For lists of boxes and integers, the rows (index, a, b)
    that differ. correlation: Color and title per channel. sum: The computation of the value with the largest
    difference. steps: Some steps of this computation.
    """

    row: TensorComparison
    plots: tuple[tuple[str, str], ...] = ()
    table: tuple[tuple[int, str, str], ...] = ()
    table_note: str = ""
    correlation: tuple[tuple[str, str], ...] = ()
    sum: DifferenceExplanation | None = None
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Section:
    """A section of the report on one kind of tensor.

    tensors: The tensors of this kind that failed, or that differ if no tensor failed. total: Number of all
    tensors of this kind. detail: Details of the first tensor in `tensors`.
    """

    kind: str
    tensors: tuple[TensorComparison, ...]
    total: int
    detail: Detail


def sections(report: Report) -> list[Section]:
    """Return the kinds of tensors that failed, in execution order.

    If no tensor failed, return the kinds of tensors that differ.
    """
    listed = [row for row in report.tensors if not row.ok] or [
        row for row in report.tensors if row.statistics
    ]
    kinds: dict[str, list[TensorComparison]] = defaultdict(list)
    for row in listed:
        kinds[template(row.name)].append(row)
    counts: dict[str, int] = defaultdict(int)
    for row in report.tensors:
        counts[template(row.name)] += 1
    return [
        Section(kind, tuple(rows), counts[kind], detail(report, rows[0], with_plots=number < MAX_PLOTS))
        for number, (kind, rows) in enumerate(kinds.items())
    ]


def links(found: list[Section]) -> dict[str, str]:
    """Return a map from the name of each listed tensor to its anchor on the page."""
    return {row.name: f"t-{row.name}" for section in found for row in section.tensors}


def detail(report: Report, row: TensorComparison, *, with_plots: bool) -> Detail:
    from . import plots

    if row.a is None or row.b is None or (row.a.shape, row.a.dtype) != (row.b.shape, row.b.dtype):
        return Detail(row)
    if not report.a.manifest.capture == report.b.manifest.capture == "full":
        return Detail(row)
    a, b = report.a[row.name], report.b[row.name]
    correlation = correlations(row)
    if row.a.layout.startswith(("box", "pick")) or a.dtype.kind != "f":
        return Detail(row, (), *table(a, b), correlation)
    plot_images = []
    if with_plots and a.ndim in (2, 3):
        image, channels = plots.heat_maps(a, b)
        count = len(a) if a.ndim == 3 else 1
        caption = (
            f"the {len(channels)} of {count} channels with the largest differences"
            if count > len(channels)
            else ""
        )
        plot_images.append((caption, uri(image)))
    elif with_plots and a.ndim == 1:
        plot_images.append(("", uri(plots.lines(a, b))))
    if with_plots and row.statistics:
        plot_images.append(("", uri(plots.distributions(a, b))))
    pair = worst_sum(report, row)
    steps = () if pair is None else tuple(some_steps(pair))
    return Detail(row, tuple(plot_images), correlation=correlation, sum=pair, steps=steps)


def table(a: NDArray[Any], b: NDArray[Any]) -> tuple[tuple[tuple[int, str, str], ...], str]:
    differ = np.flatnonzero((a != b).reshape(len(a), -1).any(axis=1)) if a.size else np.arange(0)
    rows = tuple((int(i), values(a[i]), values(b[i])) for i in differ[:ROWS])
    return rows, f"{len(differ)} of {len(a)} rows differ" + (
        f"; the first {ROWS}:" if len(differ) > ROWS else ":"
    )


def values(row: NDArray[Any]) -> str:
    return "  ".join(str(value) for value in np.ravel(row))


def correlations(row: TensorComparison) -> tuple[tuple[str, str], ...]:
    """Return a color for the correlation of each channel.

    The color is green for 1, white for 0, red for -1, and gray for a constant channel.
    """
    if row.statistics is None:
        return ()
    return tuple(
        (correlation_color(value), f"{number}: {'constant' if value != value else f'{value:+.6f}'}")
        for number, value in enumerate(row.statistics.correlation)
    )


def correlation_color(value: float) -> str:
    if value != value:
        return "#9ca3af"
    full, depth = ((0x15, 0x80, 0x3D) if value >= 0 else (0xD0, 0x20, 0x20)), min(abs(value), 1.0)
    red, green, blue = (round(255 + (part - 255) * depth) for part in full)
    return f"#{red:02x}{green:02x}{blue:02x}"


def worst_sum(report: Report, row: TensorComparison) -> DifferenceExplanation | None:
    """Explain how the value with the largest difference in a layer output was computed.

    Return None if no value differs, if the tensor is not the output of a layer, or if the networks are not
    the built-in ones.
    """
    if row.statistics is None or row.statistics.worst is None:
        return None
    try:
        return explain_difference(report.a, report.b, row.name, row.statistics.worst.index)
    except TraceError:  # the tensor is not the output of a layer, or the networks are not the built-in ones
        return None


def some_steps(pair: DifferenceExplanation) -> list[Step]:
    """Return the first steps of both sums, the steps around the first difference, and the last step."""
    terms = list(zip(pair.a.terms, pair.b.terms, strict=True))
    centre = pair.first_difference or 0
    indices = {*range(STEPS // 2), *range(centre - 3, centre + 4), len(terms) - 1} & set(range(len(terms)))
    result: list[Step] = []
    for number in sorted(indices):
        if result and result[-1].number != number:
            result.append(Step(0))
        x, y = terms[number]
        weights = ["" if one.weight is None else str(one.weight) for one in (x, y)]
        sums = [str(getattr(one.running, pair.a.rule)) for one in (x, y)]
        place = ",".join(map(str, x.index))
        cells = (place, str(x.value), str(y.value), *weights, *sums)
        result.append(Step(number + 1, cells, number == pair.first_difference))
    return result


def uri(png: bytes) -> str:
    """Return PNG bytes as a data URI."""
    return "data:image/png;base64," + base64.b64encode(png).decode()
