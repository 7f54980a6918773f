"""Selection of the frames of a video."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

_CLOCK_TIME = re.compile(r"(?:([0-9]+):)?([0-9]+):([0-9]+(?:\.[0-9]*)?)")  # h:m:s or m:s
_TOLERANCE = 1e-6  # frames; rounding errors of the product of a time and a rate are smaller
_FRAME_RANGE = re.compile(r"([0-9]{0,18}):([0-9]{0,18})")


@dataclass(frozen=True, init=False)
class Sampling:
    """Selection of the frames of a video. A frame is selected if it fulfils all conditions.

    Args:
        every: Select every n-th frame of the file, starting with frame 0 regardless of `start`.
        start: Time from the first frame, in seconds or as text such as "90", "2:30" or "1:02:03.5" (h:m:s).
            Frames before this time are not selected. None: no limit.
        end: Time from the first frame, as for `start`. Frames after this time are not selected. None: no
            limit.
        frames: First and last frame to select, both included. They are counted from 1, as in the column
            `frame` of a table. None instead of a number, or of both: no limit.

    Attributes:
        start: Time in seconds, or None.
        end: Time in seconds, or None.
        frames: First and last frame, each a number or None; or None.

    Raises:
        ValueError: An argument is out of range; the message names it.
        TypeError: An argument has a wrong type.
    """

    every: int
    start: float | None
    end: float | None
    frames: tuple[int | None, int | None] | None

    def __init__(
        self,
        every: int = 1,
        start: float | str | None = None,
        end: float | str | None = None,
        *,
        frames: tuple[int | None, int | None] | None = None,
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
        values = {"every": every, "start": first, "end": last, "frames": _frame_range(frames)}
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __str__(self) -> str:
        """Return the options that do not have their default, such as `every=5, frames=100:`."""
        first, last = self.frames or (None, None)
        options = {
            "every": self.every if self.every > 1 else None,
            "start": None if self.start is None else f"{self.start:g} s",
            "end": None if self.end is None else f"{self.end:g} s",
            "frames": f"{first or ''}:{last or ''}" if self.frames else None,
        }
        return ", ".join(f"{name}={value}" for name, value in options.items() if value is not None)

    @property
    def has_end(self) -> bool:
        """Whether `end` or `frames` limits the selection at its end."""
        return self.end is not None or bool(self.frames and self.frames[1])

    def describe(self) -> dict[str, Any]:
        """Return the values of all options, as JSON represents them."""
        return vars(self) | {"frames": self.frames and list(self.frames)}

    def select(self, times: Iterable[float]) -> list[int]:
        """Return the indices of the selected frames in ascending order, counted from 0.

        Args:
            times: Times of the frames of a video from its first frame on, in seconds.
        """
        selector, selected = FrameSelector(self), []
        for time in times:
            if (index := selector.add(time)) is not None:
                selected.append(index)
            if selector.is_over:
                break
        return selected

    def estimate_count(self, count: int, fps: float) -> int:
        """Estimate the number of selected frames of a video with `count` frames and `fps` frames per second.

        The estimate is exact if the video has this number of frames, and a constant rate.
        """
        first, last = self.frames or (None, None)
        begin = max((first or 1) - 1, math.ceil((self.start or 0) * fps - _TOLERANCE))
        end = min(count, last or count)
        if self.end is not None:
            end = min(end, math.floor(self.end * fps + _TOLERANCE) + 1)
        return max(0, -(-end // self.every) + (-begin // self.every))


class FrameSelector:
    """Selects frames by their numbers and times, which are added one by one.

    Attributes:
        is_over: Whether no later frame is selected.
    """

    def __init__(self, sampling: Sampling) -> None:
        self._sampling = sampling
        first, last = sampling.frames or (None, None)
        self._first, self._last = (first or 1) - 1, math.inf if last is None else last - 1
        self._count = 0
        self.is_over = False

    def add(self, time: float) -> int | None:
        """Add the time of the next frame, and return its index if it is selected, otherwise None."""
        sampling, index = self._sampling, self._count
        self._count += 1
        is_after = index > self._last or (sampling.end is not None and time > sampling.end)
        self.is_over = is_after or index == self._last
        is_before = index < self._first or (sampling.start is not None and time < sampling.start)
        return None if is_before or is_after or index % sampling.every else index


def parse_frame_range(text: str) -> tuple[int | None, int | None]:
    """Return the first and the last frame of a range such as `100:200`, `100:` or `:200`.

    Raises ValueError for other text. The numbers are not checked.
    """
    match = _FRAME_RANGE.fullmatch(text.strip())
    if match is None or match[0] == ":":
        raise ValueError(
            "frames must be FIRST:LAST, two numbers as in the column `frame` of the table, of which one can "
            f"be left out, such as 100:200, 100: or :200, got {text!r}"
        )
    return int(match[1]) if match[1] else None, int(match[2]) if match[2] else None


def _frame_range(frames: object) -> tuple[int | None, int | None] | None:
    """Return `frames` with plain integers, or None if there is no limit."""
    if frames is None:
        return None
    try:
        first, last = (None if one is None else operator.index(one) for one in frames)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        raise TypeError(f"frames must be (first, last), two whole numbers or None, got {frames!r}") from None
    if (first is not None and first < 1) or (last is not None and last < (first or 1)):
        raise ValueError(
            "frames must begin with frame 1 or later, and must not end before they begin, got "
            f"{'' if first is None else first}:{'' if last is None else last}"
        )
    return None if first is None and last is None else (first, last)


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
