"""An iterator over frames that knows about how many frames follow."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TypeVar

T = TypeVar("T")


class FrameIterator(Iterator[T]):
    """An iterator over the frames of a video, with their expected number.

    It has no `len()`, because the actual number can differ: containers can state a wrong number, and files
    can be truncated. `operator.length_hint` and `rich.progress.track` use the expected number. tqdm needs it
    as an argument.

    Attributes:
        total: Expected number of frames of the whole iteration. None: unknown, for example of a stream.

    Example:
        frames = detector.detect_video("clip.mp4", every=5)
        for frame in tqdm(frames, total=frames.total):
            print(frame.time, len(frame.faces))
    """

    def __init__(self, frames: Generator[T, None, None], total: int | None) -> None:
        self.total = total
        self._frames = frames
        self._count = 0

    def __next__(self) -> T:
        frame = next(self._frames)
        self._count += 1
        return frame

    def __length_hint__(self) -> int:
        """Return the expected number of remaining frames."""
        return NotImplemented if self.total is None else max(0, self.total - self._count)

    def close(self) -> None:
        """End the iteration, and release what it uses. `detect_video` closes its video."""
        self._frames.close()
