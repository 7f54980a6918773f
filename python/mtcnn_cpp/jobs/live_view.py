"""Shows a live source while it is processed: only the newest frames, so that the shown image is not late."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..media.image import Frame

STOP_SECONDS = 2.0  # time that the reading thread has to end; a stalled source can take longer
POLL_SECONDS = 0.05  # interval at which the view is checked while no frame arrives
RATE_SECONDS = 2.0  # duration over which the frame rate is measured


@dataclass(frozen=True)
class LiveStatus:
    """Numbers that are shown beside a frame.

    Attributes:
        number: Number of the frame, from 1, as in tables.
        time: Time of the frame in seconds from the first frame.
        faces: Number of faces in the frame.
        rate: Processed frames per second, over the last two seconds.
        dropped: Number of frames up to now that were not processed, because a newer one was there.
    """

    number: int
    time: float
    faces: int
    rate: float
    dropped: int

    def __str__(self) -> str:
        faces = "1 face" if self.faces == 1 else f"{self.faces} faces"
        return (
            f"frame {self.number}, {self.time:.1f} s, {faces}, {self.rate:.1f} frames/s, "
            f"{self.dropped} dropped"
        )


class LiveView(Protocol):
    """A window or a page that shows the frames of a live source. One thread calls its methods."""

    def show(self, image: NDArray[np.uint8], status: LiveStatus) -> None:
        """Show an image, (H, W, 3) uint8 BGR."""

    def is_closed(self) -> bool:
        """Return whether the user has closed the view. It is called often, also between frames."""


class NewestFrames:
    """Reads a live source on a separate thread, and yields the newest frame each time.

    A frame that is not requested before the next one arrives is dropped. It is a context manager, and an
    iterator inside its `with` block.

    Args:
        frames: Frames of the source.
        release: Function that closes the source. The reading thread calls it after the last frame.
        is_ended: Function that states whether the source must end. It is called while no frame arrives.

    Attributes:
        dropped: Number of dropped frames.
    """

    def __init__(
        self, frames: Iterator[Frame], release: Callable[[], None], is_ended: Callable[[], bool]
    ) -> None:
        self.dropped = 0
        self._frames = frames
        self._release = release
        self._is_ended = is_ended
        self._changed = threading.Condition()
        self._newest: Frame | None = None
        self._is_complete = self._is_closed = False
        self._error: Exception | None = None
        # If a source stalls, its thread can still wait for data when the program ends.
        self._thread = threading.Thread(target=self._read, name="mtcnn_cpp live source", daemon=True)

    def __enter__(self) -> NewestFrames:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_closed = True
        self._thread.join(STOP_SECONDS)

    def __iter__(self) -> Iterator[Frame]:
        return self

    def __next__(self) -> Frame:
        """Return the newest frame; wait for it if necessary.

        Raises the error of the source after its last frame.
        """
        while not self._is_ended():
            with self._changed:
                if self._newest is None and not self._is_complete:
                    self._changed.wait(POLL_SECONDS)
                frame, self._newest = self._newest, None
                if frame is not None:
                    return frame
                if self._is_complete:
                    if self._error is not None:
                        raise self._error
                    raise StopIteration
        raise StopIteration

    def _read(self) -> None:
        try:
            for frame in self._frames:
                with self._changed:
                    self.dropped += self._newest is not None
                    self._newest = frame
                    self._changed.notify()
                if self._is_closed:
                    break
        except Exception as error:
            self._error = error
        finally:
            self._release()
            with self._changed:
                self._is_complete = True
                self._changed.notify()


class RateMeter:
    """Measures events per second over the last `RATE_SECONDS`."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()

    def add(self) -> float:
        """Count an event now, and return the rate."""
        now = time.monotonic()
        self._times.append(now)
        while now - self._times[0] > RATE_SECONDS:
            self._times.popleft()
        elapsed = now - self._times[0]
        return (len(self._times) - 1) / elapsed if elapsed else 0.0
