"""What to do next: commands that can be copied."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator
from pathlib import Path

from ..names import layer_inputs
from .report import Report
from .rounding import Rounding


def next_steps(report: Report, noise: Rounding | None) -> list[str]:
    """Command lines for a report of two trace files, what helps most first; none where all passed, or where a
    trace is no file."""
    if report.ok or not (Path(report.a.source).is_file() and Path(report.b.source).is_file()):
        return []
    return [shlex.join(words) for words in _commands(report, noise)]


def _commands(report: Report, noise: Rounding | None) -> Iterator[list[str]]:
    sides = [report.a.source, report.b.source]
    full = report.a.manifest.capture == report.b.manifest.capture == "full"
    if noise is not None:
        power = math.ceil(math.log10(max(noise.share, 1e-12)))
        yield ["mtcnn-cpp", "diff", *sides, "--tolerance", f"1e{power}share"]
        return
    if full:
        yield ["mtcnn-cpp", "doctor", report.b.source, "--against", report.a.source]
    first = report.first_divergence
    if full and first is not None and first.figures is not None and first.figures.worst is not None:
        if first.name in layer_inputs(report.a.names):
            at = ",".join(map(str, first.figures.worst.index))
            yield ["mtcnn-cpp", "explain", *sides, first.name, "--at", at]
        else:
            yield ["mtcnn-cpp", "inspect", report.b.source, first.name]
