"""Process sources: read and decode them, detect and track faces, and write annotated files."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path, PurePath
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, cast

from numpy.typing import NDArray

from ..detector.detection import find_faces
from ..detector.parallel import ITEMS_PER_THREAD, map_ordered
from ..media.annotated_files import AnnotatedImageFolder, OutputNames, ProtectedInputs, output_names
from ..media.annotated_video import AnnotatedVideoWriter
from ..media.annotation import annotate
from ..media.image import Frame, decode_frames
from ..media.image.pixels import LimitedWarnings, Warn, warn_caller
from ..media.video import Video
from ..media.video.key_frames import FrameIndex, IndexMismatch
from ..media.video.video import read_from
from ..storage.address import is_address
from ..storage.inputs import local_copy
from .face_images import FaceImageWriter
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
            self._view.show(_annotate(self.settings, result, pixels), status)

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


def _with_write_error(result: FrameResult, write: Callable[[], None]) -> FrameResult:
    """Call `write`, and return the result. If `write` fails, add its error to the result."""
    try:
        write()
    except SOURCE_ERRORS as error:
        return dataclasses.replace(result, error=error_message(error))
    return result


def _annotate(settings: JobSettings, result: FrameResult, pixels: NDArray[Any]) -> NDArray[Any]:
    """Return an annotated image of a processed frame."""
    assert result.faces is not None  # only processed frames are annotated
    return annotate(
        pixels,
        result.faces,
        show=settings.annotate,
        box_color="id" if settings.track else None,
        face_ids=result.face_ids,
    )


class AnnotationWriter:
    """Writes annotated images, annotated videos, crops and aligned faces. Threads may share a writer.

    If the image format is png, the annotated image of a/b.jpg is a/b_faces.png, the crop of its first face is
    a/b_face0.png, and the aligned face is a/b_aligned0.png. The annotated video of a/c.mp4 is a/c_faces.mp4,
    and the crop of the face with number 0 in its frame 12 is a/c/000012_face0.png. Frames are counted from 1,
    as in the table.

    Args:
        settings: Settings of the job. They contain the output folders.
        sources: All sources of the job.

    Attributes:
        h264_problem: Reason why annotated videos were not written as H.264, or "".

    Raises:
        ValueError: A folder is in an object store.
        OSError: A folder cannot be created.
    """

    def __init__(self, settings: JobSettings, sources: Iterable[Source]) -> None:
        sources = list(sources)
        stems = output_names([PurePath(source.place) for source in sources], "")
        self._stems = {source.name: stem for source, stem in zip(sources, stems, strict=True)}
        self._overwrite = settings.overwrite
        self._format = settings.save_format
        self._inputs = ProtectedInputs(source.name for source in sources if source.kind != "live")
        self._images = None if settings.save_dir is None else self._open_folder(settings.save_dir)
        self._face_folders = {
            column: self._open_folder(name) for column, name in settings.face_folders.items()
        }
        self._faces = FaceImageWriter(settings, self._face_folders)
        self._video_count = 0
        self._settings = settings
        self._video_options: dict[str, Any] = {
            "overwrite": settings.overwrite,
            "quality": settings.quality,
            "sound": settings.sound,
            "cut_sound": settings.sampling.has_end,
        }
        self.h264_problem = ""
        for folder in self._folders:
            folder.clean(stems)

    def _open_folder(self, name: str) -> AnnotatedImageFolder:
        if is_address(name):
            raise ValueError(
                f"{name}: annotated files, crops and aligned faces are written to local folders; expected "
                "the path of a folder"
            )
        format = cast(Literal["png", "jpg"], self._format)
        return AnnotatedImageFolder(Path(name), self._inputs, format=format, overwrite=self._overwrite)

    @property
    def count(self) -> int:
        """Number of files that were written."""
        return self._video_count + sum(folder.count for folder in self._folders)

    @property
    def _folders(self) -> list[AnnotatedImageFolder]:
        return [*([self._images] if self._images else []), *self._face_folders.values()]

    def keep_names(self, stems: Mapping[str, str]) -> None:
        """Keep the names of the output files of an earlier run of the job.

        `stems` contains the stem of the output files for sources in the table. These sources keep their
        stems, even if other sources of this run would change them. The other sources get stems that cannot
        lead to the same output files.
        """
        if not stems:
            return
        taken = OutputNames(map(PurePath, stems.values()))
        for name, stem in self._stems.items():
            if name in stems:
                self._stems[name] = PurePath(stems[name])
            else:
                self._stems[name] = taken.add(stem)

    def write_image(
        self, source: Source, result: FrameResult, pixels: NDArray[Any], *, is_numbered: bool
    ) -> FrameResult:
        """Write an annotated image and the images of its faces, and return the completed result.

        `is_numbered` states whether the source contains several images. In this case, the file names contain
        the number of the image.

        The completed result has the names of the images of faces. If writing fails, it has the error.
        """
        stem = self._stems[source.name]
        if is_numbered:
            stem = stem / f"{result.index + 1:06d}"
        if (images := self._images) is not None:
            name = stem.with_name(f"{stem.name}_faces.{self._format}")
            result = _with_write_error(
                result, lambda: images.save(name, _annotate(self._settings, result, pixels))
            )
        return self._faces.write(stem, result, pixels)

    def write_frame(
        self, source: Source, result: FrameResult, pixels: NDArray[Any], video: AnnotatedVideoWriter | None
    ) -> FrameResult:
        """Add a frame to an annotated video, write the images of its faces, and return the completed result.

        The completed result has the names of the images of faces. If writing fails, it has the error. If an
        earlier error has ended the video, only the images of faces are written.
        """
        if video is not None and not video.is_closed:
            result = _with_write_error(
                result, lambda: video.add(_annotate(self._settings, result, pixels), result.time)
            )
        return self._faces.write(self._stems[source.name] / f"{result.index + 1:06d}", result, pixels)

    def open_video(self, source: Source, fps: float | None, path: Path | None) -> AnnotatedVideoWriter | None:
        """Return a writer for the annotated video of a source, or None if no such video is requested.

        `path` is the file that contains the video, or None for a live source.
        """
        if self._images is None:
            return None
        stem = self._stems[source.name]
        target = self._images.folder / stem.with_name(f"{stem.name}_faces.mp4")
        return AnnotatedVideoWriter(target, fps, self._inputs, source=path, **self._video_options)

    def close_video(self, video: AnnotatedVideoWriter) -> None:
        """Complete an annotated video, unless an error has ended it."""
        if not video.is_closed:
            video.close()
            self._video_count += video.count > 0
            self.h264_problem = video.h264_problem if video.count else self.h264_problem

    def _annotate(self, result: FrameResult, pixels: NDArray[Any]) -> NDArray[Any]:
        return _annotate(self._settings, result, pixels)
