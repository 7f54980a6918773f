"""Looking at sources: read, decode, detect, track, draw; results in the order of the sources and frames."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import threading
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

from numpy.typing import NDArray

from ..batch import AHEAD, in_order
from ..detections import Detections
from ..image import Frame, decode_frames, read_bytes, to_pixels
from ..stores import is_address, local_copy, read_file
from ..table import Result
from ..video import Video
from .save import Saver
from .settings import Settings
from .source import Source

if TYPE_CHECKING:
    from ..detector import Detector
    from ..tracking import Tracker

FAILURES = (OSError, ValueError, TypeError, ImportError, MemoryError)


class Seen(NamedTuple):
    """A result, with the pixels as long as they are needed."""

    result: Result
    pixels: NDArray[Any] | None


class Eyes:
    """Looks at sources with one detector and a pool of threads, one detection on each; a context manager.

    Several threads may look at sources of their own at the same time. Whatever is wrong with a source is a
    result with an error; only Ctrl-C, and the end of the program, go through. `end`: set, live sources end in
    order. `decoders`: how many videos are read at the same time.

    Raises ImportError if tracking is asked for without its package.
    """

    def __init__(
        self, detector: Detector, settings: Settings, saver: Saver | None = None, *, decoders: int = 1
    ) -> None:
        if settings.track:
            from ..tracking import Tracker

            Tracker()
        self.settings = settings
        self.end = threading.Event()
        self._engine = detector.engine
        self._stop = detector.engine.backend.make_stop()
        self._saver = saver
        self._workers = detector.engine.threads
        self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="mtcnn_cpp")
        self._decoding = max(1, self._workers // decoders)

    def __enter__(self) -> Eyes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._pool.shutdown(cancel_futures=True)

    def stop(self) -> None:
        """End everything that is under way; results that were not given are lost."""
        self.end.set()
        self._stop.set()

    def look(self, sources: Iterable[Source]) -> Iterator[Result]:
        """The results of every frame of these sources."""
        for is_picture, run in groupby(
            sources, lambda source: source.kind == "picture" or bool(source.error)
        ):
            if is_picture:
                for results in in_order(self._pool, self._picture, run, ahead=AHEAD * self._workers):
                    yield from results
            else:
                for source in run:
                    yield from self.look_at_video(source)

    def look_at_video(
        self, source: Source, *, skip: int = 0, tracker: Tracker | None = None
    ) -> Generator[Result, None, None]:
        """The results of a video's frames, without the first `skip` of those that are asked for. tracker: has
        seen the skipped ones; None for a new one."""
        last = Result(source.name, -1, 0.0, error="none")
        drawn = None
        try:
            with self._opened(source) as video, contextlib.ExitStack() as drawing:
                if self._saver:
                    fps = video.fps / self.settings.sampling.every if video.fps else None
                    if (drawn := self._saver.open_video(source, fps)) is not None:
                        drawing.callback(drawn.discard)
                frames = self._until_end(video.frames(self.settings.sampling, skip=skip), source)
                if self.settings.track and tracker is None:
                    from ..tracking import Tracker

                    tracker = Tracker()
                for seen in in_order(
                    self._pool, lambda frame: self._frame(source, frame), frames, ahead=AHEAD * self._workers
                ):
                    last = tracker.update(seen.result) if tracker else seen.result
                    if self._saver and seen.pixels is not None and last.faces is not None:
                        last = self._kept(last, self._saver.save_frame, source, last, seen.pixels, drawn)
                    yield last
                if self._saver:
                    self._saver.close_video(drawn)
        except FAILURES as error:
            yield Result(source.name, last.index + 1, last.time, error=_words(error))

    def _picture(self, source: Source) -> list[Result]:
        results: list[Result] = []
        try:
            if source.error:
                raise ValueError(source.error)
            frames = decode_frames(_content(source), source.name)
            before = next(frames)
            for frame in frames:
                results.append(self._saved(source, before, several=True))
                before = frame
            results.append(self._saved(source, before, several=bool(results)))
        except FAILURES as error:
            results.append(Result(source.name, len(results), error=_words(error)))
        return results

    def _saved(self, source: Source, frame: Frame, *, several: bool) -> Result:
        """The result of a picture, after its drawings were written."""
        result = self._frame(source, frame).result
        if self._saver and result.faces is not None:
            return self._kept(result, self._saver.save_picture, source, result, frame.pixels, several=several)
        return result

    def _kept(self, result: Result, keep: Any, *arguments: Any, **options: Any) -> Result:
        """`result`, with an error if it cannot be saved."""
        try:
            keep(*arguments, **options)
        except FAILURES as error:
            return dataclasses.replace(result, error=_words(error))
        return result

    def _frame(self, source: Source, frame: Frame) -> Seen:
        try:
            pixels = to_pixels(frame.pixels)
            faces = self._engine.run(pixels, threads=1, stop=self._stop)
            found = Detections(*faces, frame.pixels.shape[:2])
        except FAILURES as error:
            return Seen(Result(source.name, frame.index, frame.time, error=f"{source.name}: {error}"), None)
        pixels_left = frame.pixels if self._saver else None
        return Seen(Result(source.name, frame.index, frame.time, found), pixels_left)

    @contextlib.contextmanager
    def _opened(self, source: Source) -> Iterator[Video]:
        with contextlib.ExitStack() as stack:
            address: str | Path = source.address or source.name
            if is_address(source.name):
                address = stack.enter_context(local_copy(source.name))
            try:
                video = Video(address, threads=self._decoding)
            except FAILURES as error:  # of a copy: named as the user knows it
                raise type(error)(str(error).replace(str(address), source.name)) from error
            video.name = source.name
            yield stack.enter_context(video)

    def _until_end(self, frames: Iterator[Frame], source: Source) -> Iterator[Frame]:
        for frame in frames:
            if source.kind == "live" and self.end.is_set():
                return
            yield frame


def _content(source: Source) -> bytes:
    if source.name == "-":
        return sys.stdin.buffer.read()
    return read_file(source.name) if is_address(source.name) else read_bytes(source.address or source.name)


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__
