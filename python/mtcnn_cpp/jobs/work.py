"""One unit of a job done: its sources looked at, its part of the table written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import TypeAlias

from ..table import Result, Row
from .look import Eyes
from .parts import Parts, results_of
from .unit import STRETCH, Unit

Watch: TypeAlias = Callable[[Result], None]  # is told of every result, on any thread


def do_unit(unit: Unit, eyes: Eyes, parts: Parts, watch: Watch) -> None:
    """Look at the sources of a unit and write its part, whole; doing it again gives the same part.

    Raises OSError if a part cannot be written, TableError if one that is needed is damaged.
    """
    if unit.is_video:
        _do_video(unit, eyes, parts, watch)
    elif unit.mends:
        _mend(unit, eyes, parts, watch)
    else:
        _write(eyes.look(unit.sources), parts, parts.name(unit.part), watch)


def _do_video(unit: Unit, eyes: Eyes, parts: Parts, watch: Watch) -> None:
    tracker = eyes.new_tracker()
    if tracker:
        for start in range(0, unit.done, STRETCH):
            for result in results_of(parts.rows(unit.part, start)):
                tracker.update(result)
    results = eyes.look_at_video(unit.sources[0], tracker, skip=unit.done)
    start = unit.done
    while _write(islice(results, STRETCH), parts, parts.name(unit.part, start), watch) == STRETCH:
        start += STRETCH


def _mend(unit: Unit, eyes: Eyes, parts: Parts, watch: Watch) -> None:
    """Write the part again, with new rows in place of those of the unit's sources."""
    again = {source.name for source in unit.sources}
    kept = [row for row in parts.rows(unit.part) if row["source"] not in again]
    _write(eyes.look(unit.sources), parts, parts.name(unit.part), watch, kept=kept)


def _write(
    results: Iterable[Result], parts: Parts, name: str, watch: Watch, *, kept: Sequence[Row] = ()
) -> int:
    """Write a part, of rows that are kept and of results; how many results."""
    count = 0
    with parts.folder.writing(name) as file:
        writer = parts.writer(file)
        writer.add_rows(kept)
        for result in results:
            writer.add(result)
            watch(result)
            count += 1
        writer.close()
    return count
