"""Selection of the frames of a video."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Real
from typing import Any

from .reader import MAX_STEP_BACK

MAX_FPS = 100_000.0

_CLOCK_TIME = re.compile(r"(?:([0-9]+):)?([0-9]+):([0-9]+(?:\.[0-9]*)?)")  # h:m:s or m:s
_TOLERANCE = 1e-6  # frames; rounding errors of the product of a time and a rate are smaller
_SAME_TIME = 1e-9  # seconds; the readers round times to this value
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
        fps: Frames per second to select, from more than 0 to 100000. For each time `start` + k / `fps` with k
            = 0, 1, 2, …, the frame whose time is nearest is selected; of two that are equally near, the
            earlier one. Frames before `start` do not count. Each frame is selected once at most, so a rate
            above that of the video selects every frame. Not together with `every`. None: all frames.

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
    fps: float | None

    def __init__(
        self,
        every: int = 1,
        start: float | str | None = None,
        end: float | str | None = None,
        *,
        frames: tuple[int | None, int | None] | None = None,
        fps: float | None = None,
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
        rate = None if fps is None else check_fps(fps)
        if rate is not None and every > 1:
            raise ValueError(f"'every' and 'fps' exclude each other, got every={every} and fps={fps}")
        values = {"every": every, "start": first, "end": last, "frames": _frame_range(frames), "fps": rate}
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
            "fps": None if self.fps is None else f"{self.fps:g}",
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
                return selected
        return selected if (index := selector.finish()) is None else [*selected, index]

    def rate(self, fps: float | None) -> float | None:
        """Return the mean number of selected frames per second of a video with `fps` frames per second.

        None: unknown.
        """
        if self.fps is None:
            return fps / self.every if fps else None
        return min(self.fps, fps) if fps else self.fps

    def estimate_count(self, count: int, fps: float) -> int:
        """Estimate the number of selected frames of a video with `count` frames and `fps` frames per second.

        The estimate is exact if the video has this number of frames and a constant rate, and if `fps` is not
        set. Otherwise, the difference is small.
        """
        first, last = self.frames or (None, None)
        begin = max((first or 1) - 1, math.ceil((self.start or 0) * fps - _TOLERANCE))
        end = min(count, last or count)
        if self.end is not None:
            end = min(end, math.floor(self.end * fps + _TOLERANCE) + 1)
        if self.fps is None or self.fps >= fps:
            return max(0, -(-end // self.every) + (-begin // self.every))
        # frame i is the nearest one if `start` + k / `fps` is from (i - 0.5) / fps to (i + 0.5) / fps
        before_end, before_begin = (
            math.floor(((index - 0.5) / fps - (self.start or 0)) * self.fps + _TOLERANCE)
            for index in (end, begin)
        )
        return max(0, before_end - max(before_begin, -1)) if begin < end else 0


class FrameSelector:
    """Selects frames by their numbers and times, which are added one by one.

    With `Sampling.fps`, a frame can be selected only after the time of the next frame is known. If a time is
    more than a second before the previous one, a new recording begins. Its first frame is selected.

    Attributes:
        is_over: Whether no later frame is selected.
        waiting: Index of the frame that may still be selected, or None. It is the last added frame, or, if
            several frames have equal times, the first one of them.
    """

    def __init__(self, sampling: Sampling) -> None:
        self._sampling = sampling
        first, last = sampling.frames or (None, None)
        self._first, self._last = (first or 1) - 1, math.inf if last is None else last - 1
        self._count = 0
        self._previous: float | None = None  # time of the previous frame that is not before the start
        self._gap = 0.0  # seconds between this frame and the one before it
        self._target = 0  # number of the first time `start` + k / `fps` that has no frame yet
        self.is_over = False
        self.waiting: int | None = None

    def add(self, time: float) -> int | None:
        """Add the time of the next frame. Return the index of the frame that is selected now, or None.

        It is the index of this frame, or with `Sampling.fps` the value of `waiting` before the call.
        """
        sampling, index = self._sampling, self._count
        is_after = index > self._last or (sampling.end is not None and time > sampling.end)
        is_early = sampling.start is not None and time < sampling.start
        is_before = is_early or index < self._first
        if sampling.fps is None:
            self.is_over = is_after or index == self._last
            selected = None if is_before or is_after or index % sampling.every else index
        elif time == self._previous:
            selected = None
        else:
            selected = self._decide(time)
            self._previous = None if is_early else time
            self.is_over = is_after
            self.waiting = None if is_before or is_after else index
        self._count += 1
        return selected

    def finish(self) -> int | None:
        """Return the index of the last frame if it is selected now, because no frame follows; or None."""
        return None if self._previous is None else self._decide(self._previous + self._gap)

    def _decide(self, time: float) -> int | None:
        """Return the index of the previous frame if it is nearest to one of the times `start` + k / `fps`.

        `time` is the time of the next frame.
        """
        previous = self._previous
        if previous is None:
            return None
        is_new = time < previous - MAX_STEP_BACK
        if not is_new:
            self._gap = time - previous
        limit = previous + self._gap / 2 + _SAME_TIME
        is_selected = self._time_of(self._target) <= limit
        if is_selected:
            self._target = max(self._target, self._number_at(limit))
            while self._time_of(self._target) <= limit:
                self._target += 1
        if is_new:
            self._target = max(0, self._number_at(time))
        return self.waiting if is_selected else None

    def _time_of(self, number: int) -> float:
        assert self._sampling.fps is not None
        return (self._sampling.start or 0) + number / self._sampling.fps

    def _number_at(self, time: float) -> int:
        assert self._sampling.fps is not None
        return math.floor((time - (self._sampling.start or 0)) * self._sampling.fps)


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


def check_fps(fps: object) -> float:
    """Return a number of frames per second. Raise ValueError or TypeError if it is invalid."""
    if not isinstance(fps, Real):
        raise TypeError(f"fps must be a number of frames per second, got {fps!r}")
    try:
        rate = float(fps)
    except OverflowError:
        rate = math.inf
    if not 0 < rate <= MAX_FPS:
        raise ValueError(f"fps must be more than 0 and at most {MAX_FPS:.0f} frames per second, got {fps}")
    return rate


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
    if not isinstance(time, (Real, str)):
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
