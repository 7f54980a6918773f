"""Show the progress of a job as a bar on the terminal, and print its first errors."""

from __future__ import annotations

import contextlib
import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .._util.escape import escaped_streams
from .errors import print_error

if TYPE_CHECKING:
    from ..jobs.run import JobCounters

MAX_ERRORS_REPORTED = 20


class ProgressBar:
    """The progress callback of a job. It is also a context manager. Any thread may call it.

    `total` is the expected number of results, or None if unknown. `shown` states whether a bar is shown.
    Errors are printed in both cases.
    """

    def __init__(self, total: int | None, *, shown: bool) -> None:
        self._lock = threading.Lock()
        self._escaped = contextlib.ExitStack()
        self._faces = self._failed = self._reported = 0
        self._bar: Any = _make_bar() if shown else None
        self._task = None if self._bar is None else self._bar.add_task("", total=total, faces=0, failed=0)

    def __enter__(self) -> ProgressBar:
        if self._bar is not None:
            # Rich replaces stdout and stderr with its own streams. These streams would interpret control
            # sequences as styles and links, so the control sequences are escaped.
            self._bar.start()
            self._escaped.enter_context(escaped_streams())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._escaped.close()
        if self._bar is not None:
            self._bar.stop()
        if self._failed > MAX_ERRORS_REPORTED:
            print_error(
                f"{self._failed:,} failed in total; the column `error` of the table contains all messages"
            )

    def __call__(self, increments: JobCounters) -> None:
        """Add the increments of the counters to the display, and print new errors."""
        with self._lock:
            self._faces += increments.faces
            self._failed += increments.failed
            errors = increments.errors[: max(0, MAX_ERRORS_REPORTED - self._reported)]
            self._reported += len(errors)
        if self._bar is not None:
            self._bar.update(self._task, advance=increments.results, faces=self._faces, failed=self._failed)
        for error in errors:
            print_error(error)


def _make_bar() -> Any:
    from rich import progress
    from rich.table import Column
    from rich.text import Text

    from .._util.console import SafeConsole

    class CountColumn(progress.ProgressColumn):
        """Shows the number of results, the expected total, and the number of results per second."""

        def render(self, task: progress.Task) -> Text:
            total = "" if task.total is None else f" of {task.total:,.0f}"
            rate = "" if task.speed is None else f", {task.speed:,.1f}/s"
            return Text(f"{task.completed:,.0f}{total}{rate}")

    def one_line() -> Column:
        return Column(no_wrap=True)

    bar_column = Column(ratio=1, max_width=40)  # the bar fills the rest of the line
    return progress.Progress(
        progress.TextColumn("detecting", table_column=one_line()),
        progress.BarColumn(bar_width=None, table_column=bar_column),
        CountColumn(table_column=one_line()),
        progress.TimeRemainingColumn(compact=True, table_column=one_line()),
        progress.TextColumn(
            "faces {task.fields[faces]:,}, failed {task.fields[failed]:,}", table_column=one_line()
        ),
        console=SafeConsole(sys.stderr),
        transient=True,
        expand=True,
    )
