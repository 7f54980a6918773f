"""The report as one HTML file that needs nothing else: no network, no script, pictures inside."""

from __future__ import annotations

import base64
import math
import os
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...files import write_whole
from ..errors import TraceError
from ..judge.faces import faces_of, pair_up
from ..judge.report import Report, Row
from ..judge.verdict import Verdict

PICTURES = 8  # tensors that are shown with pictures
ROWS = 20  # rows of a table of boxes that are shown
_COLOURS: dict[Verdict, str] = {
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


def save_html(report: Report, path: str | os.PathLike[str]) -> None:
    """Write a report as one HTML file that needs no other. An existing file is replaced.

    Needs the extra `report` (Matplotlib, Jinja2). Raises TraceError, saying what to install, where it is
    missing, and for a folder that does not exist.
    """
    text = render(report).encode()
    try:
        write_whole(path, text)
    except OSError as error:
        raise TraceError(str(error)) from error


def render(report: Report) -> str:
    """The text of the HTML file."""
    try:
        import jinja2

        from . import plots as _  # noqa: F401 (Matplotlib)
    except ImportError as error:
        raise TraceError(
            f"an HTML report needs {error.name}; install it with: pip install 'mtcnn-cpp[report]'"
        ) from error
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {"number": number, "percent": lambda share: f"{100 * share:.4g} %"}
    template = environment.from_string(Path(__file__).with_name("report.html.j2").read_text("utf-8"))
    details, differing = _details(report)
    return template.render(
        report=report,
        first=report.first_divergence,
        colours=_COLOURS,
        strip=_strip(report),
        stages=_stages(report),
        faces=_faces(report),
        details=details,
        detailed={detail.row.name for detail in details},
        differing=differing,
        labels={name: _COLOURS[row.verdict] for row in report.rows for name in [row.words]},
    )


def number(value: float | None) -> str:
    """Six digits, thousands apart, infinity as a sign."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == int(value) and abs(value) < 1e7:
        return f"{int(value):,}"
    return f"{value:.6g}"


@dataclass(frozen=True)
class Detail:
    """One tensor with pictures. `table` has rows of (index, a, b) for tensors that are lists of boxes."""

    row: Row
    pictures: tuple[tuple[str, str], ...]  # caption, data URI
    table: tuple[tuple[int, str, str], ...] = ()
    table_note: str = ""


def _details(report: Report) -> tuple[list[Detail], int]:
    """The first tensors that failed (or, where none did, that differ at all), and how many there are."""
    rows = [row for row in report.rows if not row.ok] or [row for row in report.rows if row.figures]
    return [_detail(report, row) for row in rows[:PICTURES]], len(rows)


def _detail(report: Report, row: Row) -> Detail:
    from . import plots

    if row.a is None or row.b is None or (row.a.shape, row.a.dtype) != (row.b.shape, row.b.dtype):
        return Detail(row, ())
    if not report.a.manifest.capture == report.b.manifest.capture == "full":
        return Detail(row, ())
    a, b = report.a[row.name], report.b[row.name]
    if row.a.layout.startswith(("box", "pick")) or a.dtype.kind != "f":
        return Detail(row, (), *_table(a, b))
    shown = []
    if a.ndim in (2, 3):
        picture, channels = plots.heat_maps(a, b)
        count = len(a) if a.ndim == 3 else 1
        caption = (
            f"{len(channels)} of {count} channels, those that differ most" if count > len(channels) else ""
        )
        shown.append((caption, _uri(picture)))
    elif a.ndim == 1:
        shown.append(("", _uri(plots.lines(a, b))))
    if row.figures:
        shown.append(("", _uri(plots.distributions(a, b))))
    return Detail(row, tuple(shown))


def _table(a: NDArray[Any], b: NDArray[Any]) -> tuple[tuple[tuple[int, str, str], ...], str]:
    differ = np.flatnonzero((a != b).reshape(len(a), -1).any(axis=1))
    rows = tuple((int(i), _values(a[i]), _values(b[i])) for i in differ[:ROWS])
    return rows, f"{len(differ)} of {len(a)} rows differ" + (
        f"; the first {ROWS}:" if len(differ) > ROWS else ":"
    )


def _values(row: NDArray[Any]) -> str:
    return "  ".join(str(value) for value in np.ravel(row))


def _strip(report: Report) -> list[tuple[float, float, str, str]]:
    """The tensors in execution order as coloured pieces (left, width, colour, title) of a bar 1000 wide.

    Equal neighbours are joined. Failures come last, so that they are drawn above, never too thin to be seen.
    """
    count = max(len(report.rows), 1)
    pieces = []
    for (verdict, ok), run in groupby(enumerate(report.rows), key=lambda item: (item[1].verdict, item[1].ok)):
        places = list(run)
        left, right = places[0][0] / count * 1000, (places[-1][0] + 1) / count * 1000
        title = places[0][1].name + (f" … {places[-1][1].name}" if len(places) > 1 else "")
        width = right - left if ok else max(right - left, 2.5)
        pieces.append((ok, (left, width, _COLOURS[verdict], f"{title}: {verdict}")))
    return [piece for _, piece in sorted(pieces, key=lambda item: not item[0])]


def _stages(report: Report) -> list[tuple[float, str]]:
    """Where each network begins on the bar."""
    count = max(len(report.rows), 1)
    result = []
    for stage, run in groupby(enumerate(report.rows), key=lambda item: item[1].name.partition("/")[0]):
        result.append((next(run)[0] / count * 1000, stage))
    return result


def _faces(report: Report) -> dict[str, Any] | None:
    """The picture with both sides' boxes, and their pairs; None where a trace lacks them."""
    a, b = faces_of(report.a), faces_of(report.b)
    if a is None or b is None:
        return None
    picture = None
    if report.a.manifest.picture is not None:
        picture = _picture(report.a.picture)
    height, width = a.image_size
    return {
        "a": a,
        "b": b,
        "pairs": pair_up(a.boxes, b.boxes),
        "picture": picture,
        "height": height,
        "width": width,
    }


def _picture(pixels: NDArray[Any]) -> str:
    """The picture, at most 1600 pixels a side, as a data URI."""
    from ... import png

    step = -(-max(pixels.shape[:2]) // 1600)
    return _uri(png.encode(np.rint(pixels[::step, ::step]).astype(np.uint8)))


def _uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
