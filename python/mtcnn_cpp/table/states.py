"""What a table holds of each source, for a job that goes on where it ended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class State:
    """frames: how many frames of the source were looked at without an error. error: the last error, or ""."""

    frames: int
    error: str


def states(parts: Iterable[tuple[str, int, str | None]]) -> dict[str, State]:
    """The state of each source, from the columns source, frame and error of every row in order.

    The rows of one frame follow each other; frames of different sources may be mixed.
    """
    counts: dict[str, int] = {}
    last: dict[str, int] = {}
    errors: dict[str, str] = {}
    for source, frame, error in parts:
        if source not in counts:
            counts[source] = 0
        if error:
            errors[source] = error
        elif last.get(source) != frame:
            counts[source] += 1
            last[source] = frame
    return {source: State(count, errors.get(source, "")) for source, count in counts.items()}
