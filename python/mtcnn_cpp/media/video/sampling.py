"""Selection of the frames of a video."""

from __future__ import annotations

import math
import operator
import re
from dataclasses import dataclass

_CLOCK_TIME = re.compile(r"(?:([0-9]+):)?([0-9]+):([0-9]+(?:\.[0-9]*)?)")  # h:m:s or m:s


@dataclass(frozen=True, init=False)
class Sampling:
    """Selection of the frames of a video.

    Args:
        every: Select every n-th frame of the file, starting with frame 0 regardless of `start`.
        start: Time from the first frame, in seconds or as text such as "90", "2:30" or "1:02:03.5" (h:m:s).
            Frames before this time are not selected. None: no limit.
        end: Time from the first frame, as for `start`. Frames after this time are not selected. None: no
            limit.

    Attributes:
        start: Time in seconds, or None.
        end: Time in seconds, or None.

    Raises:
        ValueError: An argument is out of range; the message names it.
        TypeError: An argument has a wrong type.
    """

    every: int
    start: float | None
    end: float | None

    def __init__(
        self, every: int = 1, start: float | str | None = None, end: float | str | None = None
    ) -> None:
        try:
            every = operator.index(every)
        except TypeError:
            raise TypeError(f"'every' must be a whole number, got {every!r}") from None
        if every < 1:
            raise ValueError(f"'every' must be 1 (each frame) or more, got {every}")
        first, last = _seconds("start", start), _seconds("end", end)
        if first is not None and last is not None and last < first:
            raise ValueError(f"'end' must not lie before 'start', got start={start}, end={end}")
        for name, value in {"every": every, "start": first, "end": last}.items():
            object.__setattr__(self, name, value)

    def includes(self, index: int, time: float) -> bool:
        """Return whether the frame with this index (from 0) and this time is selected.

        `end` is not checked.
        """
        return index % self.every == 0 and not (self.start is not None and time < self.start)

    def is_over(self, time: float) -> bool:
        """Return whether this time is after the end."""
        return self.end is not None and time > self.end


def _seconds(name: str, time: object) -> float | None:
    """Return a time in seconds. `name` is the name of the argument for errors."""
    forms = "seconds, m:s or h:m:s, with minutes and seconds below 60 after a colon"
    if time is None:
        return None
    if not isinstance(time, (int, float, str)):
        raise TypeError(f"{name} must be a time ({forms}), got {time!r}")
    try:
        seconds = _parse_time(time) if isinstance(time, str) else float(time)
    except (ValueError, OverflowError):
        raise ValueError(
            f"{name} must be a time ({forms}), such as 90, 2:30 or 1:02:03.5, got {time!r}"
        ) from None
    if not (math.isfinite(seconds) and seconds >= 0):
        raise ValueError(f"{name} must be 0 or more seconds, got {time}")
    return seconds


def _parse_time(text: str) -> float:
    """Return the seconds of a time such as `90`, `2:30` or `1:02:03.5`. Raise ValueError for other text."""
    if ":" not in text:
        return float(text)
    match = _CLOCK_TIME.fullmatch(text.strip())
    if not match:
        raise ValueError
    hours, minutes, seconds = int(match[1] or 0), int(match[2]), float(match[3])
    if seconds >= 60 or (match[1] and minutes >= 60):
        raise ValueError
    return hours * 3600 + minutes * 60 + seconds
