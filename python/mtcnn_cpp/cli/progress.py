"""How far a job is: a line on a terminal's stderr, and failures as they come."""

from __future__ import annotations

import contextlib
import sys
import threading
from types import TracebackType
from typing import Any

from ..escape import escaped_streams
from ..table import Result
from .errors import report

MOST_FAILURES = 20  # that are told one by one


class Progress:
    """Told of every result, by any thread; a context manager.

    shown: whether there is a line; failures are told in any case. total: how many results are expected, None
    if that is not known.
    """

    def __init__(self, total: int | None, *, shown: bool) -> None:
        self._lock = threading.Lock()
        self._escaped = contextlib.ExitStack()
        self._faces = self._failed = self._told = 0
        self._bar: Any = _make_bar() if shown else None
        self._task = None if self._bar is None else self._bar.add_task("", total=total, faces=0, failed=0)

    def __enter__(self) -> Progress:
        if self._bar is not None:
            self._bar.start()  # Rich puts streams of its own before standard output and standard error,
            self._escaped.enter_context(escaped_streams())  # which would take escapes as styles and links
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._escaped.close()
        if self._bar is not None:
            self._bar.stop()
        if self._failed > MOST_FAILURES:
            report(f"{self._failed:,} failed in all; the column error of the table says why")

    def __call__(self, result: Result) -> None:
        self.count(1, len(result.faces or ()), bool(result.error))
        if result.error:
            self.fail(result.error)

    def count(self, results: int, faces: int, failed: int) -> None:
        """Count results that are seen from afar."""
        with self._lock:
            self._faces += faces
            self._failed += failed
        if self._bar is not None:
            self._bar.update(self._task, advance=results, faces=self._faces, failed=self._failed)

    def fail(self, error: str) -> None:
        """Tell of a failure, unless many have been told."""
        with self._lock:
            self._told += 1
            tell = self._told <= MOST_FAILURES
        if tell:
            report(error)


def _make_bar() -> Any:
    from rich import progress
    from rich.table import Column
    from rich.text import Text

    from ..console import SafeConsole

    class Count(progress.ProgressColumn):
        """How many of how many, and how many a second."""

        def render(self, task: progress.Task) -> Text:
            total = "" if task.total is None else f" of {task.total:,.0f}"
            rate = "" if task.speed is None else f", {task.speed:,.1f}/s"
            return Text(f"{task.completed:,.0f}{total}{rate}")

    def one_line() -> Column:
        return Column(no_wrap=True)

    return progress.Progress(
        progress.TextColumn("detecting", table_column=one_line()),
        progress.BarColumn(
            bar_width=None, table_column=Column(ratio=1, max_width=40)
        ),  # the rest of the width
        Count(table_column=one_line()),
        progress.TimeRemainingColumn(compact=True, table_column=one_line()),
        progress.TextColumn(
            "faces {task.fields[faces]:,}, failed {task.fields[failed]:,}", table_column=one_line()
        ),
        console=SafeConsole(sys.stderr),
        transient=True,
        expand=True,
    )
