"""The verdicts on all tensors of two traces: at once by their hashes, then measured, in the background."""

from __future__ import annotations

import math
import threading
import time
from typing import Any

from ..trace.errors import TraceError
from ..trace.judge.comparison import Judge, merged
from ..trace.judge.plain import plain
from ..trace.judge.report import Report, Row
from ..trace.judge.rounding import Rounding, rounding
from ..trace.names import chosen
from .source import Source

PAUSE = 0.15  # seconds for which the comparison waits after each question, so that the page is quick


class Stopped(Exception):
    """The explorer ends while its traces are compared."""


class Verdicts:
    """What `Judge.compare` finds, row by row as it is found. `start` begins, `stop` ends it.

    Raises TraceError for a pattern of the judge's that fits no name.
    """

    def __init__(self, source: Source, judge: Judge) -> None:
        assert source.b is not None
        self._a, self._b = source.a.passing, source.b.passing
        self._judge = judge
        judge.rules.require_known(chosen(judge.only, names_of(source)))
        self._lock = threading.Lock()
        self._rows: list[Row] = []
        self._report: Report | None = None
        self._noise: Rounding | None = None
        self._error = ""
        self._stop = threading.Event()
        self._asked = -math.inf
        self._thread = threading.Thread(target=self._run, name="verdicts", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(1)  # the tensor that it is at is not waited for: nothing is written

    def give_way(self) -> None:
        """Something was asked: the comparison waits a little, and does not take the answer's time."""
        self._asked = time.monotonic()

    def since(self, number: int) -> dict[str, Any]:
        """The rows from that number on, and whether all are there; in the end the report's own words."""
        with self._lock:
            rows, report, error, noise = self._rows[number:], self._report, self._error, self._noise
        answer: dict[str, Any] = {"rows": [_short(row) for row in rows], "done": report is not None}
        if error:
            answer |= {"error": error, "done": True}
        if report is not None:
            first = report.first_divergence
            answer |= {
                "ok": report.ok,
                "headline": report.headline,
                "first": None if first is None else first.name,
                "notes": list(report.notes),
                "counts": report.counts,
                "noise": None if noise is None else str(noise),
            }
        return answer

    def row(self, name: str) -> Row | None:
        """None where the tensor has not been measured yet."""
        with self._lock:
            return next((row for row in self._rows if row.name == name), None)

    def _run(self) -> None:
        try:
            report = self._judge.compare(self._a, self._b, each=self._add)
            noise = rounding(report)
        except Stopped:
            return
        except (TraceError, MemoryError) as error:  # such as a file that was damaged meanwhile
            with self._lock:
                self._error = str(error) or type(error).__name__
            return
        with self._lock:
            self._report, self._noise = report, noise

    def _add(self, row: Row) -> None:
        while (left := self._asked + PAUSE - time.monotonic()) > 0 and not self._stop.is_set():
            self._stop.wait(left)
        if self._stop.is_set():
            raise Stopped
        with self._lock:
            self._rows.append(row)


def by_hash(source: Source) -> list[str]:
    """For each of all names, in order: "same", "differs", "missing" (in b), "extra" (only there), or "" where
    a trace does not say."""
    if source.b is None:
        return []
    a, b = source.a.trace, source.b.trace
    states = []
    for name in names_of(source):
        if name not in b or name not in a:
            states.append("extra" if name in b else "missing")
            continue
        x, y = a.entry(name), b.entry(name)
        if (x.shape, x.dtype) != (y.shape, y.dtype):
            states.append("differs")
        elif x.sha256 is None or y.sha256 is None:
            states.append("")
        else:
            states.append("same" if x.sha256 == y.sha256 else "differs")
    return states


def names_of(source: Source) -> list[str]:
    """The names of both traces, in a's order of execution."""
    if source.b is None:
        return list(source.a.trace)
    return merged(source.a.trace.names, source.b.trace.names)


def _short(row: Row) -> list[Any]:
    """What the bar, the plot and the list show: verdict, whether it passed, greatest ULP, greatest difference
    as a share of the tensor's greatest magnitude."""
    figures = row.figures
    if figures is None:
        return [row.name, row.words, row.ok, None, None]
    share = figures.absolute.maximum / figures.magnitude if figures.magnitude else figures.absolute.maximum
    return [row.name, row.words, row.ok, plain(figures.ulp.maximum), plain(share)]
