"""Process sources: read and decode them, and detect and track faces."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ..detector.detection import find_faces
from ..detector.parallel import ITEMS_PER_THREAD, map_ordered
from ..media.image import Frame, decode_frames
from ..media.image.pixels import LimitedWarnings, Warn, warn_caller
from ..media.video import Video
from ..media.video.key_frames import FrameIndex, IndexMismatch
from ..media.video.video import read_from
from ..storage.address import is_address
from ..storage.inputs import local_copy
from .annotation_writer import AnnotationWriter, annotate_result
from .live_view import LiveStatus, LiveView, NewestFrames, RateMeter
from .settings import JobSettings
from .sources import SOURCE_ERRORS, Source, StreamFound, error_message, read_content
from .table.rows import FrameResult

if TYPE_CHECKING:
    from ..detector.detector import Detector
    from .tracking import Tracker


class DetectionPipeline:
    """Processes sources with one detector and a thread pool. Each thread runs one detection at a time.

    It is a context manager. Several threads may process different sources with the same pipeline at the same
    time. If a source fails, the pipeline does not raise the exception but yields a result with `error`.
    KeyboardInterrupt and SystemExit are raised.

    Args:
        detector: Detector. Its option `threads` sets the number of threads of the pool.
        settings: Settings of the job.
        annotations: Writer for annotated files, crops and aligned faces, or None.
        warn: Function that receives warnings about images with suspicious values. It receives each warning
            once and at most 20 warnings. One last message then states that more warnings are not reported.
        view: View that shows the annotated frames of a live source, or None. With a view, only the newest
            frame is processed each time, and the other frames are dropped. The source ends when the view is
            closed.

    Attributes:
        video_readers: Number of videos that the caller reads at the same time. They share the threads for
            decoding.
        end_live: Event. After it is set, live sources end. The results up to this moment are complete.
        dropped: Number of frames of live sources that were dropped.

    Raises:
        MissingExtra: Tracking is requested, and the package `trackers` is not installed.

    Example:
        with DetectionPipeline(Detector(), JobSettings(TableFormat.csv)) as pipeline:
            for result in pipeline.process(make_plan(["study/"]).sources):
                print(result.source, result.faces)
    """

    def __init__(
        self,
        detector: Detector,
        settings: JobSettings,
        annotations: AnnotationWriter | None = None,
        *,
        warn: Warn = warn_caller,
        view: LiveView | None = None,
    ) -> None:
        self.settings = settings
        self.make_tracker()  # raises MissingExtra now if the package is missing
        self.end_live = threading.Event()
        self.dropped = 0
        self._view = view
        self._engine = detector.engine
        self._cancelled = threading.Event()
        self._cancellation = detector.engine.backend.make_cancellation()
        self._annotations = annotations
        self._warn = LimitedWarnings(warn)
        self._workers = detector.engine.threads
        self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="mtcnn_cpp")
        self.video_readers = 1

    @property
    def has_view(self) -> bool:
        """Whether a view shows live sources."""
        return self._view is not None

    def __enter__(self) -> DetectionPipeline:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel()
        self._pool.shutdown(cancel_futures=True)

    def cancel(self) -> None:
        """Cancel all work. Results that were not yet yielded are lost."""
        self.end_live.set()
        self._cancelled.set()
        self._cancellation.set()

    def make_tracker(self) -> Tracker | None:
        """Return a tracker for one video, or None if tracking is not requested."""
        if not self.settings.track:
            return None
        from .tracking import Tracker

        return Tracker()

    def process(self, sources: Iterable[Source]) -> Iterator[FrameResult]:
        """Yield the result of every frame of the sources, in order.

        Several frames are processed in parallel.
        """
        for is_image, group in groupby(sources, lambda source: source.kind == "image" or bool(source.error)):
            if not is_image:
                for source in group:
                    yield from self.process_video(source, self.make_tracker())
                continue
            for results in map_ordered(
                self._pool, self._process_image, group, ahead=ITEMS_PER_THREAD * self._workers
            ):
                if isinstance(results, Source):
                    yield from self.process_video(results, self.make_tracker())
                else:
                    yield from results

    def process_video(
        self,
        source: Source,
        tracker: Tracker | None,
        *,
        skip: int = 0,
        after: tuple[int, float] = (0, 0.0),
        index: FrameIndex | None = None,
    ) -> Generator[FrameResult, None, None]:
        """Yield the result of every frame of a video or live source, in order.

        Args:
            source: The video or live source.
            tracker: Tracker that numbers the faces, or None.
            skip: Number of sampled frames to skip at the beginning. The tracker must already have processed
                them.
            after: Index after the last skipped frame, and the time of this frame. If no frame can be read,
                the result with the error has these values.
            index: Index of the video. With it, decoding begins at a key frame, and the caller can stop after
                any frame. None: decoding begins with the first frame.

        Raises:
            IndexMismatch: There is an index, and the video does not agree with it or cannot be read.
        """
        # If reading fails, the result with the error has these values: the index after the last frame, and
        # its time.
        end, time = after
        rate = RateMeter()
        try:
            with contextlib.ExitStack() as stack:
                video, frames = self._open_frames(source, skip, index, stack)
                writer = None
                if self._annotations:
                    fps = self.settings.sampling.rate(video.fps)
                    if (writer := self._annotations.open_video(source, fps, video.path)) is not None:
                        stack.callback(writer.discard)
                for result, pixels in map_ordered(
                    self._pool,
                    lambda frame: self._process_frame(source, frame),
                    frames,
                    ahead=1 if isinstance(frames, NewestFrames) else ITEMS_PER_THREAD * self._workers,
                ):
                    if tracker and result.faces is not None:
                        face_ids = tracker.update(result.faces, result.time)
                        result = dataclasses.replace(result, face_ids=face_ids)
                    if self._annotations and pixels is not None:
                        result = self._annotations.write_frame(source, result, pixels, writer)
                    if isinstance(frames, NewestFrames):
                        self.dropped = frames.dropped
                        self._show(result, pixels, rate.add())
                    end, time = result.index + 1, result.time
                    yield result
                if self._annotations and writer:
                    self._annotations.close_video(writer)
                    for problem in writer.problems:
                        self._warn(f"{source.name}: annotated video: {problem}")
        except SOURCE_ERRORS as error:
            if index is not None:
                raise IndexMismatch(error_message(error)) from error
            yield FrameResult(source.name, end, time, error=error_message(error))

    def _process_image(self, source: Source) -> list[FrameResult] | Source:
        """Return the results of an image file.

        If the source is a web address that leads to a video or a stream, return it as a live source.
        """
        results: list[FrameResult] = []
        try:
            if source.error:
                raise ValueError(source.error)
            data = read_content(source.address or source.name, self._cancelled)
            frames = decode_frames(data, source.name)
            previous = next(frames)
            for frame in frames:
                results.append(self._process_page(source, previous, is_numbered=True))
                previous = frame
            results.append(self._process_page(source, previous, is_numbered=bool(results)))
        except StreamFound:
            return dataclasses.replace(source, kind="live")
        except SOURCE_ERRORS as error:
            results.append(FrameResult(source.name, len(results), error=error_message(error)))
        return results

    def _process_page(self, source: Source, frame: Frame, *, is_numbered: bool) -> FrameResult:
        """Process one image of a file, write its annotated image and faces, and return the result."""
        result, pixels = self._process_frame(source, frame)
        if self._annotations and pixels is not None:
            return self._annotations.write_image(source, result, pixels, is_numbered=is_numbered)
        return result

    def _process_frame(self, source: Source, frame: Frame) -> tuple[FrameResult, NDArray[Any] | None]:
        """Return the result of a frame, and its pixels.

        The pixels are None if no annotated file, no image of a face and no view needs them.
        """
        name = source.name
        if frame.error:
            return FrameResult(name, frame.index, frame.time, error=frame.error), None
        try:
            faces = find_faces(
                self._engine,
                frame.image,
                threads=1 if self._view is None else None,
                cancellation=self._cancellation,
                warn=self._warn,
                file=name,
            )
        except SOURCE_ERRORS as error:
            message = error_message(error)
            if not message.startswith(name):
                message = f"{name}: {message}"
            return FrameResult(name, frame.index, frame.time, error=message), None
        pixels = frame.image if self._annotations or self._view else None
        return FrameResult(name, frame.index, frame.time, faces), pixels

    def _open_frames(
        self, source: Source, skip: int, index: FrameIndex | None, stack: contextlib.ExitStack
    ) -> tuple[Video, Iterator[Frame]]:
        """Return a video or live source, and its selected frames. Leaving `stack` closes it."""
        resources = contextlib.ExitStack()
        video = resources.enter_context(self._open_video(source))
        sampling = self.settings.sampling
        selected = read_from(video, skip, sampling, index) if index else video.frames(sampling, skip=skip)
        frames = self._until_end(selected, source)
        if self._view is None or source.kind != "live":
            stack.push(resources)
            return video, frames
        return video, stack.enter_context(NewestFrames(frames, resources.close, self._is_view_ended))

    def _is_view_ended(self) -> bool:
        """Return whether the live source must end. If the user has closed the view, end it."""
        if self._view is not None and self._view.is_closed():
            self.end_live.set()
        return self.end_live.is_set()

    def _show(self, result: FrameResult, pixels: NDArray[Any] | None, rate: float) -> None:
        """Show a result in the view. A frame with an error is not shown."""
        if self._view is not None and pixels is not None and result.faces is not None:
            status = LiveStatus(result.index + 1, result.time, len(result.faces), rate, self.dropped)
            self._view.show(annotate_result(self.settings, result, pixels), status)

    @contextlib.contextmanager
    def _open_video(self, source: Source) -> Iterator[Video]:
        with contextlib.ExitStack() as stack:
            address: str | Path = source.address or source.name
            if is_address(str(address)):
                address = stack.enter_context(local_copy(str(address)))
            try:
                video = Video(
                    address,
                    **dataclasses.asdict(self.settings.reading),
                    fps=self.settings.sequence_fps,
                    threads=max(1, self._workers // self.video_readers),
                )
            except SOURCE_ERRORS as error:  # replaces the name of the local copy in the message
                raise type(error)(str(error).replace(str(address), source.name)) from error
            video.name = source.name
            yield stack.enter_context(video)

    def _until_end(self, frames: Iterator[Frame], source: Source) -> Iterator[Frame]:
        for frame in frames:
            if source.kind == "live" and self.end_live.is_set():
                return
            yield frame
