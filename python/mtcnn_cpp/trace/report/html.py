"""A report as one self-contained HTML file. The images are embedded, and the page needs no network access.

A small script filters the list of tensors. If scripts are disabled, the page shows all content.
"""

from __future__ import annotations

import base64
import hashlib
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from ..._util.errors import import_extra
from ..._util.escape import printable
from ..._util.files import write_file
from ..comparison.report import Report, TensorComparison, find_rounding_noise, suggest_commands
from ..comparison.tolerances import Verdict
from ..errors import TraceError

HERE = Path(__file__).parent


def save_html(report: Report, path: str | os.PathLike[str]) -> None:
    """Write a report as one self-contained HTML file. An existing file is replaced.

    Args:
        report: The report of a comparison. Its traces must be open.
        path: The HTML file.

    Raises:
        MissingExtra: The extra `report` (Matplotlib, Jinja2) is not installed.
        TraceError: The file is not writable.
    """
    text = render(report).encode()
    try:
        write_file(path, text)
    except OSError as error:
        raise TraceError(str(error)) from error


def render(report: Report) -> str:
    """Return the text of the HTML file."""
    jinja2 = import_extra("jinja2", "mtcnn-cpp[report]", "an HTML report")
    import_extra("matplotlib", "mtcnn-cpp[report]", "an HTML report")
    from .images import detections
    from .sections import links, sections

    environment = jinja2.Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: (
            printable(value) if type(value) is str else value
        ),  # escape values, not the text of the template
    )
    environment.filters |= {"number": number, "percent": lambda share: f"{100 * share:.4g} %"}
    template = environment.from_string((HERE / "report.html.j2").read_text("utf-8"))
    script = (HERE / "report.js").read_text("utf-8")
    found, noise = sections(report), find_rounding_noise(report)
    where = links(found)
    text: str = template.render(
        report=report,
        first=report.first_divergence,
        noise=noise,
        next=suggest_commands(report, noise),
        colors=COLORS,
        strip=strip(report, where),
        stages=stages(report),
        errors=errors(report, where),
        lines=grid_lines(),
        faces=detections(report),
        sections=found,
        links=where,
        labels={row.label: COLORS[row.verdict] for row in report.tensors},
        style=(HERE / "report.css").read_text("utf-8"),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    return text


def number(value: float | None) -> str:
    """Format a number for the page.

    An integer below 10 million gets thousands separators. Other numbers get six significant digits. None and
    NaN become "–", and infinity becomes "∞".
    """
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == int(value) and abs(value) < 1e7:
        return f"{int(value):,}"
    return f"{value:.6g}"


COLORS: dict[Verdict, str] = {
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
LOW, HIGH = -8.0, 1.0  # range of the plot of errors, as powers of ten


@dataclass(frozen=True)
class Segment:
    """A segment of the colored bar that represents all tensors of the comparison.

    The whole bar has the width 1000. link: Anchor that a click opens, without the #.
    """

    left: float
    width: float
    color: str
    title: str
    link: str


def strip(report: Report, links: Mapping[str, str]) -> list[Segment]:
    """Return the segments of the bar of tensors, in execution order.

    Adjacent tensors that passed with the same verdict form one segment. Segments of failures have a minimum
    width. In the list, these segments come last, so that the page draws them on top.
    """
    count = max(len(report.tensors), 1)
    numbered = list(enumerate(report.tensors))
    segments = []
    for (verdict, ok, _), run in groupby(
        numbered, lambda one: (one[1].verdict, one[1].ok, _segment_key(*one))
    ):
        places = list(run)
        left, right = places[0][0] / count * 1000, (places[-1][0] + 1) / count * 1000
        name = places[0][1].name
        title = name + (f" … {places[-1][1].name}" if len(places) > 1 else "")
        width = right - left if ok else max(right - left, 2.5)
        link = links.get(name, f"r-{name}")
        segments.append((ok, Segment(left, width, COLORS[verdict], f"{title}: {verdict}", link)))
    return [segment for _, segment in sorted(segments, key=lambda one: not one[0])]


def _segment_key(place: int, row: TensorComparison) -> int:
    """Return -1 for each tensor that passed, and the position of the tensor for each failure."""
    return -1 if row.ok else place


def stages(report: Report) -> list[tuple[float, str]]:
    """Return where each network begins on the report's bar of tensors, from 0 to 1000, and its name."""
    count = max(len(report.tensors), 1)
    result = []
    for stage, run in groupby(enumerate(report.tensors), key=lambda item: item[1].name.partition("/")[0]):
        result.append((next(run)[0] / count * 1000, stage))
    return result


@dataclass(frozen=True)
class Dot:
    """A tensor in the plot of errors. Its position is (x, y); the plot has the size 1000 x 160."""

    x: float
    y: float
    color: str
    title: str
    link: str


def errors(report: Report, links: Mapping[str, str]) -> list[Dot]:
    """Return one dot per compared tensor.

    A dot shows the largest difference as a share of the tensor's greatest magnitude in a.

    The plot is logarithmic and clipped to the range from 1e-8 to 10.
    """
    return list(_errors(report, links))


def _errors(report: Report, links: Mapping[str, str]) -> Iterator[Dot]:
    count = max(len(report.tensors), 1)
    for place, row in enumerate(report.tensors):
        if row.statistics is None and row.verdict != "identical":
            continue
        share = 0.0
        if row.statistics is not None:
            share = row.statistics.absolute.maximum / max(row.statistics.magnitude, 1e-30)
        decade = min(max(math.log10(share), LOW), HIGH) if share > 0 else LOW
        y = 8 + (HIGH - decade) / (HIGH - LOW) * 144
        title = f"{row.name}: {share:.1e} of the greatest magnitude"
        x = (place + 0.5) / count * 1000
        yield Dot(x, y, COLORS[row.verdict], title, links.get(row.name, f"r-{row.name}"))


def grid_lines() -> list[tuple[float, str]]:
    """Return heights and labels of the grid lines."""
    return [(8 + (HIGH - decade) / (HIGH - LOW) * 144, f"1e{decade}") for decade in (0, -2, -4, -6, -8)]
