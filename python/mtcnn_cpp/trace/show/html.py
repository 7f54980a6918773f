"""The report as one HTML file that needs nothing else: no network, pictures inside, one small script for the
filter, without which all can be read too."""

from __future__ import annotations

import base64
import hashlib
import math
import os
from pathlib import Path

from ...escape import printable
from ...files import write_whole
from ..errors import TraceError
from ..judge.next_step import next_steps
from ..judge.report import Report
from ..judge.rounding import rounding
from .overview import COLOURS, errors, grid_lines, stages, strip

HERE = Path(__file__).parent


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
    from .pictures import detections
    from .sections import links, sections

    environment = jinja2.Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: printable(value) if type(value) is str else value,  # not the page's own text
    )
    environment.filters |= {"number": number, "percent": lambda share: f"{100 * share:.4g} %"}
    template = environment.from_string((HERE / "report.html.j2").read_text("utf-8"))
    script = (HERE / "report.js").read_text("utf-8")
    found, noise = sections(report), rounding(report)
    where = links(found)
    return template.render(
        report=report,
        first=report.first_divergence,
        noise=noise,
        next=next_steps(report, noise),
        colours=COLOURS,
        strip=strip(report, where),
        stages=stages(report),
        errors=errors(report, where),
        lines=grid_lines(),
        faces=detections(report),
        sections=found,
        links=where,
        labels={row.words: COLOURS[row.verdict] for row in report.rows},
        style=(HERE / "report.css").read_text("utf-8"),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
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
