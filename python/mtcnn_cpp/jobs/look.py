"""Looking at sources: read, decode, detect, track, draw; results in the order of the sources and frames."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

from numpy.typing import NDArray

from ..batch import AHEAD, in_order
from ..find_faces import find_faces
from ..image import Frame, LimitedWarnings, Warn, decode_frames, warn_caller
from ..stores import is_address, local_copy
from ..table import Result
from ..video import Video
from .content import FAILURES, StreamFound, read_content, words
from .save import Saver
from .settings import Settings
from .source import Source

if TYPE_CHECKING:
    from ..detector import Detector
    from ..tracking import Tracker


class Seen(NamedTuple):
    """A result, with the pixels as long as they are needed."""

    result: Result
    pixels: NDArray[Any] | None


class Eyes:
    """Looks at sources with one detector and a pool of threads, one detection on each; a context manager.

    Several threads may look at sources of their own at the same time. Whatever is wrong with a source is a
    result with an error; only Ctrl-C, and the end of the program, go through. `end`: set, live sources end in
    order. `decoders`: how many videos are read at the same time. `warn` gets a message about each source with
    suspicious values, the first 20 of many.

    Raises ImportError if tracking is asked for without its package.
    """

    def __init__(
        self,
        detector: Detector,
        settings: Settings,
        saver: Saver | None = None,
        *,
        decoders: int = 1,
        warn: Warn = warn_caller,
    ) -> None:
        self.settings = settings
        self.new_tracker()  # says at once if its package is missing
        self.end = threading.Event()
        self._engine = detector.engine
        self._halt = threading.Event()
        self._stop = detector.engine.backend.make_stop()
        self._saver = saver
        self._warn = LimitedWarnings(warn)
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
        self._halt.set()
        self._stop.set()

    def new_tracker(self) -> Tracker | None:
        """What numbers the faces of one video, None if that is not asked for."""
        if not self.settings.track:
            return None
        from ..tracking import Tracker

        return Tracker()

    def look(self, sources: Iterable[Source]) -> Iterator[Result]:
        """The results of every frame of these sources."""
        for is_picture, run in groupby(
            sources, lambda source: source.kind == "picture" or bool(source.error)
        ):
            if is_picture:
                for found in in_order(self._pool, self._picture, run, ahead=AHEAD * self._workers):
                    if isinstance(found, Source):
                        yield from self.look_at_video(found, self.new_tracker())
                    else:
                        yield from found
            else:
                for source in run:
                    yield from self.look_at_video(source, self.new_tracker())

    def look_at_video(
        self, source: Source, tracker: Tracker | None, *, skip: int = 0
    ) -> Generator[Result, None, None]:
        """The results of a video's frames, without the first `skip` of those that are asked for, which
        `tracker` has seen."""
        index, time = 0, 0.0  # of the next frame at least, and of the last one
        try:
            with self._opened(source) as video, contextlib.ExitStack() as drawing:
                drawn = None
                if self._saver:
                    fps = video.fps / self.settings.sampling.every if video.fps else None
                    if (drawn := self._saver.open_video(source, fps)) is not None:
                        drawing.callback(drawn.discard)
                frames = self._until_end(video.frames(self.settings.sampling, skip=skip), source)
                for seen in in_order(
                    self._pool, lambda frame: self._frame(source, frame), frames, ahead=AHEAD * self._workers
                ):
                    result = tracker.update(seen.result) if tracker else seen.result
                    if self._saver and seen.pixels is not None:
                        result = self._kept(
                            result, self._saver.save_frame, source, result, seen.pixels, drawn
                        )
                    index, time = result.index + 1, result.time
                    yield result
                if self._saver:
                    self._saver.close_video(drawn)
        except FAILURES as error:
            yield Result(source.name, index, time, error=words(error))

    def _picture(self, source: Source) -> list[Result] | Source:
        """The results of an image file; the source as a live one if it is a stream on the web."""
        results: list[Result] = []
        try:
            if source.error:
                raise ValueError(source.error)
            data = read_content(source.address or source.name, self._halt)
            frames = decode_frames(data, source.name)
            before = next(frames)
            for frame in frames:
                results.append(self._saved(source, before, several=True))
                before = frame
            results.append(self._saved(source, before, several=bool(results)))
        except StreamFound:
            return dataclasses.replace(source, kind="live")
        except FAILURES as error:
            results.append(Result(source.name, len(results), error=words(error)))
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
            return dataclasses.replace(result, error=words(error))
        return result

    def _frame(self, source: Source, frame: Frame) -> Seen:
        if frame.error:
            return Seen(Result(source.name, frame.index, frame.time, error=frame.error), None)
        try:
            found = find_faces(
                self._engine, frame.pixels, threads=1, stop=self._stop, warn=self._warn, file=source.name
            )
        except FAILURES as error:
            message = words(error)
            if not message.startswith(source.name):
                message = f"{source.name}: {message}"
            return Seen(Result(source.name, frame.index, frame.time, error=message), None)
        pixels_left = frame.pixels if self._saver else None
        return Seen(Result(source.name, frame.index, frame.time, found), pixels_left)

    @contextlib.contextmanager
    def _opened(self, source: Source) -> Iterator[Video]:
        with contextlib.ExitStack() as stack:
            address: str | Path = source.address or source.name
            if is_address(str(address)):
                address = stack.enter_context(local_copy(str(address)))
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
