"""Compares two traces: first by their hashes, then by their values in a background thread."""

from __future__ import annotations

import math
import threading
import time
from typing import Any

from .._util.json_values import to_json_value
from ..trace.comparison.comparison import ComparisonOptions, compare_traces, merge_names
from ..trace.comparison.report import Report, RoundingNoise, TensorComparison, find_rounding_noise
from ..trace.errors import TraceError
from ..trace.names import select_names
from .traces import OpenTraces

PAUSE_SECONDS = 0.15  # pause of the comparison after each request, so that the page stays responsive


class _Ended(Exception):
    """The explorer ends during the comparison."""


class BackgroundComparison:
    """Compares two traces tensor by tensor in a thread, and keeps the results for the page.

    Raises TraceError if a name pattern of `options` matches no tensor.
    """

    def __init__(self, traces: OpenTraces, options: ComparisonOptions) -> None:
        assert traces.b is not None
        self._a, self._b = traces.a.uncached, traces.b.uncached
        self._options = options
        options.rules.require_known(select_names(options.only, merged_names(traces)))
        self._lock = threading.Lock()
        self._rows: list[TensorComparison] = []
        self._report: Report | None = None
        self._noise: RoundingNoise | None = None
        self._error = ""
        self._ended = threading.Event()
        self._last_request = -math.inf
        self._thread = threading.Thread(target=self._run, name="comparison", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        # a longer wait for the current tensor is not necessary: the thread writes no file
        self._thread.join(1)

    def pause(self) -> None:
        """Pause the comparison for a short time, because a request was made."""
        self._last_request = time.monotonic()

    def status(self, start: int) -> dict[str, Any]:
        """Return the results from position `start` on.

        As soon as all tensors are compared, also return the summary.
        """
        with self._lock:
            rows, report, error, noise = self._rows[start:], self._report, self._error, self._noise
        answer: dict[str, Any] = {"rows": [_summary(row) for row in rows], "done": report is not None}
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

    def row(self, name: str) -> TensorComparison | None:
        """Return the result for one tensor, or None if the tensor is not compared yet."""
        with self._lock:
            return next((row for row in self._rows if row.name == name), None)

    def _run(self) -> None:
        try:
            report = compare_traces(self._a, self._b, self._options, on_tensor=self._add)
            noise = find_rounding_noise(report)
        except _Ended:
            return
        except (TraceError, MemoryError) as error:  # for example if the file was damaged after it was opened
            with self._lock:
                self._error = str(error) or type(error).__name__
            return
        with self._lock:
            self._report, self._noise = report, noise

    def _add(self, row: TensorComparison) -> None:
        while (pause := self._last_request + PAUSE_SECONDS - time.monotonic()) > 0:
            if self._ended.wait(pause):
                break
        if self._ended.is_set():
            raise _Ended
        with self._lock:
            self._rows.append(row)


def hash_states(traces: OpenTraces) -> list[str]:
    """Compare the hashes of all tensors, in the order of `merged_names`.

    A state is "same", "differs", "missing" (not in b), "extra" (only in b), or "" if a trace has no hash.
    """
    if traces.b is None:
        return []
    a, b = traces.a.trace, traces.b.trace
    states = []
    for name in merged_names(traces):
        if name not in b or name not in a:
            states.append("extra" if name in b else "missing")
            continue
        first, second = a.info(name), b.info(name)
        if (first.shape, first.dtype) != (second.shape, second.dtype):
            states.append("differs")
        elif first.sha256 is None or second.sha256 is None:
            states.append("")
        else:
            states.append("same" if first.sha256 == second.sha256 else "differs")
    return states


def merged_names(traces: OpenTraces) -> list[str]:
    """Return the names of both traces in the execution order of a."""
    if traces.b is None:
        return list(traces.a.trace)
    return merge_names(traces.a.trace.names, traces.b.trace.names)


def _summary(row: TensorComparison) -> list[Any]:
    """Return name, verdict, whether it passed, greatest ULP distance, and greatest relative difference.

    The difference is relative to the greatest magnitude in the tensor.
    """
    found = row.statistics
    if found is None:
        return [row.name, row.label, row.ok, None, None]
    share = found.absolute.maximum / found.magnitude if found.magnitude else found.absolute.maximum
    return [row.name, row.label, row.ok, to_json_value(found.ulp.maximum), to_json_value(share)]
