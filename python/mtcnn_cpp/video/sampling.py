"""Which frames of a video are looked at."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass


@dataclass(frozen=True)
class Sampling:
    """every: each n-th frame of the file, the first included, whatever `start` is. start, end: seconds from
    the first frame; frames with start <= time <= end, None for no limit.

    Raises ValueError or TypeError, which names the argument.
    """

    every: int = 1
    start: float | None = None
    end: float | None = None

    def __post_init__(self) -> None:
        try:
            every = operator.index(self.every)
        except TypeError:
            raise TypeError(f"every must be a whole number, got {self.every!r}") from None
        if every < 1:
            raise ValueError(f"every must be 1 (each frame) or more, got {every}")
        for name in ("start", "end"):
            seconds = getattr(self, name)
            if seconds is None:
                continue
            if not isinstance(seconds, (int, float)):
                raise TypeError(f"{name} must be seconds, got {seconds!r}")
            if not (math.isfinite(seconds) and seconds >= 0):
                raise ValueError(f"{name} must be 0 or more seconds, got {seconds}")
        if self.start is not None and self.end is not None and self.end < self.start:
            raise ValueError(f"end must not lie before start, got start={self.start}, end={self.end}")

    def wants(self, index: int, time: float) -> bool:
        """Whether the frame with this number, from 0, and this time is one to look at."""
        return index % self.every == 0 and not (self.start is not None and time < self.start)

    def is_over(self, time: float) -> bool:
        """Whether this time lies behind the end."""
        return self.end is not None and time > self.end
