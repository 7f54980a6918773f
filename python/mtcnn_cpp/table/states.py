"""What a table holds of each source, for a job that goes on where it ended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class State:
    """frames: how many frames of the source were processed without an error. error: the last error, or "".
    first, last: the numbers of its first and last frame."""

    frames: int
    error: str
    first: int = field(default=0, compare=False)
    last: int = field(default=0, compare=False)


def states(parts: Iterable[tuple[str, int, str | None]]) -> dict[str, State]:
    """The state of each source, from the columns source, frame and error of every row in order.

    The rows of one frame follow each other; frames of different sources may be mixed.
    """
    counts: dict[str, int] = {}
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    done: dict[str, int] = {}  # the last frame without an error
    errors: dict[str, str] = {}
    for source, frame, error in parts:
        if source not in counts:
            counts[source] = 0
            first[source] = frame
        last[source] = frame
        if error:
            errors[source] = error
        elif done.get(source) != frame:
            counts[source] += 1
            done[source] = frame
    return {
        source: State(count, errors.get(source, ""), first[source], last[source])
        for source, count in counts.items()
    }
