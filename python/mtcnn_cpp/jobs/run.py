"""Run a job. It counts its results, and writes them to one table or to a folder of part files."""

from __future__ import annotations

import contextlib
import ctypes
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Protocol, TypeAlias

from .._util.log import log_info
from ..media.video.key_frames import IndexMismatch
from ..storage.folder import Folder
from .divided_videos import find_division, make_index, read_index, remove_indexes, undo_division
from .part_files import PartFiles
from .pipeline import DetectionPipeline
from .settings import MANIFEST_NAME, JobSettings, check_manifest, write_manifest
from .sources import Source
from .summary import SUMMARY_NAME
from .table.rows import FrameResult, TableRow, results_from_rows
from .tasks import FRAMES_PER_CHUNK, RemainingWork, Task, find_remaining_work

if TYPE_CHECKING:
    from ..detector.detector import Detector

MAX_ERRORS_KEPT = 20  # maximum number of messages in the counters; the table contains all messages


@dataclass
class JobCounters:
    """Counters of a job or of a part of a job.

    Attributes:
        results: Number of results. There is one result for each image, frame and failed source.
        frames: Number of processed images and frames.
        frames_with_face: Number of these images and frames with at least one face.
        faces: Number of faces in these images and frames.
        failed: Number of results with an error.
        done_before: Number of sources that were already complete when the job was resumed.
        errors: The first 20 error messages.
    """

    results: int = 0
    frames: int = 0
    frames_with_face: int = 0
    faces: int = 0
    failed: int = 0
    done_before: int = 0
    errors: list[str] = field(default_factory=list)

    def add(self, result: FrameResult) -> JobCounters:
        """Count a result, and return the increments."""
        increments = JobCounters(
            results=1,
            frames=int(result.faces is not None),
            frames_with_face=int(bool(result.faces)),
            faces=len(result.faces or ()),
            failed=int(bool(result.error)),
            errors=[result.error] if result.error else [],
        )
        self.merge(increments)
        return increments

    def merge(self, other: JobCounters) -> None:
        """Add the numbers of `other` to these counters."""
        self.results += other.results
        self.frames += other.frames
        self.frames_with_face += other.frames_with_face
        self.faces += other.faces
        self.failed += other.failed
        self.done_before += other.done_before
        self.errors = (self.errors + other.errors)[:MAX_ERRORS_KEPT]


ProgressCallback: TypeAlias = Callable[[JobCounters], None]  # receives increments; any thread may call it


class ResultWriter(Protocol):
    """An object that receives results, such as a `TableWriter`, a `TableFile` or a `TerminalTable`."""

    def add(self, result: FrameResult) -> None: ...


def run_to_output(
    sources: Iterable[Source],
    pipeline: DetectionPipeline,
    output: ResultWriter,
    progress: ProgressCallback = lambda increments: None,
) -> JobCounters:
    """Process sources in order and write all results to one output.

    Args:
        sources: Sources of a plan.
        pipeline: Pipeline that processes them.
        output: Object that receives the results in order.
        progress: Function that receives the increments of the counters after each result.

    Returns:
        Counters of the job.
    """
    counters = JobCounters()
    with closing(pipeline.process(sources)) as results:  # type: ignore[type-var]  # it is a generator
        for result in results:
            output.add(result)
            progress(counters.add(result))
    return counters


def prepare_folder(
    folder: Folder,
    settings: JobSettings,
    detector: Detector,
    sources: Iterable[Source],
    *,
    resume: bool,
    images_per_task: int | None = None,
    names: Iterable[str] = (),
    workers: int = 1,
) -> RemainingWork:
    """Prepare a folder for a job, and return the remaining work.

    If the folder already contains a job, check that it is the same job.

    The caller must hold the lock of the folder.

    Args:
        folder: Folder for the part files.
        settings: Settings of the job.
        detector: Detector of the job.
        sources: Sources of the plan.
        resume: Whether to continue the job if the folder already contains it.
        images_per_task: Number of images in a new task. None: 256.
        names: The names in `Plan.names`, from which the sources were found.
        workers: Number of tasks that will run at the same time.

    Raises:
        FileExistsError: The folder contains files but no job, or it contains a job and `resume` is False.
        ValueError: `resume` is True, but the job in the folder has other options, or a source is live.
        TableError: A part file is damaged, or two tables in the folder contain rows of the same source.
    """
    from .. import __version__

    description = settings.describe(detector, __version__)
    sources = list(sources)
    existing = [name for name in folder.names() if not name.startswith(".")]
    if not existing:
        write_manifest(folder, description)
    elif MANIFEST_NAME not in existing:
        raise FileExistsError(
            f"{folder.name} is not empty and contains no job to resume; choose another folder for the table"
        )
    elif not resume:
        raise FileExistsError(
            f"{folder.name} already contains a job; use --resume to continue it, or choose another folder"
        )
    else:
        check_manifest(folder, description)
        live = next((source.name for source in sources if source.kind == "live"), None)
        if live is not None:
            raise ValueError(
                f"{live} is a live source; it cannot be read again, so a job with it cannot be resumed"
            )
        folder.clean()
    part_files = make_part_files(folder, settings)
    contents = part_files.read_contents()
    part_files.check_other_tables(contents, sources)
    remaining = find_remaining_work(
        sources,
        contents,
        whole_videos=settings.saves_images,
        images_per_task=images_per_task,
        names=names,
        division=find_division(part_files, sources, contents, settings, workers=workers),
    )
    folder.remove(SUMMARY_NAME)  # it is written again when the job is complete
    for part, start in remaining.stale:
        folder.remove(part_files.file_name(part, start))
    for part, replaced in remaining.replaced.items():
        part_files.remove_rows(part, replaced)
    return remaining


def make_part_files(folder: Folder, settings: JobSettings) -> PartFiles:
    """Return the part files of a job."""
    return PartFiles(
        folder,
        settings.format,
        csv_safe=settings.csv_safe,
        columns=settings.columns,
        video_reader=settings.video_reader,
    )


def run_to_folder(
    remaining: RemainingWork,
    pipeline: DetectionPipeline,
    part_files: PartFiles,
    progress: ProgressCallback = lambda increments: None,
    *,
    concurrency: int = 1,
) -> JobCounters:
    """Run the tasks of a job. Each task writes its own part files.

    Args:
        remaining: The remaining work that `prepare_folder` returned.
        pipeline: Pipeline that processes the sources.
        part_files: Part files in the folder.
        progress: Function that receives the increments of the counters after each result. Any thread may call
            it.
        concurrency: Number of tasks that run at the same time.

    Returns:
        Counters of the job.

    Raises:
        OSError: A part file cannot be written. In this case, all tasks that have not ended are cancelled, and
            their part files are not written.
        TableError: A part file that is needed is damaged.
    """
    counters, tasks = JobCounters(done_before=remaining.done), remaining.tasks
    with ThreadPoolExecutor(concurrency, thread_name_prefix="mtcnn_cpp task") as pool:
        while tasks:
            group = TaskGroup(remaining, part_files)
            futures = [pool.submit(_run_in_group, task, group, pipeline, progress) for task in tasks]
            try:
                for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                    future.result()
            except BaseException:
                pipeline.cancel()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
            tasks = group.finish(counters)
    remove_indexes(part_files)
    return counters


class TaskGroup:
    """Results of tasks that run at the same time. Threads may share it.

    If a video does not agree with its index, the results of all its tasks are dropped. The video is then
    processed again by one task without the index.
    """

    def __init__(self, remaining: RemainingWork, part_files: PartFiles) -> None:
        self._remaining = remaining
        self.part_files = part_files
        self._lock = threading.Lock()
        self._reported: dict[str, JobCounters] = {}
        self._failed: set[str] = set()

    def is_dropped(self, task: Task) -> bool:
        """Return whether the results of a task would be dropped."""
        return task.part in self._failed

    def add(self, task: Task, counters: JobCounters) -> None:
        """Add the counters of a task that has ended."""
        with self._lock:
            self._reported.setdefault(task.part, JobCounters()).merge(counters)

    def drop(self, task: Task, reason: str) -> None:
        """Drop the results of the video of a task."""
        log_info("%s is processed without division: %s", task.sources[0].name, reason)
        self._failed.add(task.part)

    def finish(self, counters: JobCounters) -> list[Task]:
        """Merge the counters of all tasks, and return the tasks of the videos to process again.

        Call it when no task of the group is running.
        """
        for part, reported in self._reported.items():
            if part not in self._failed:
                counters.merge(reported)
        again = [self._remaining.whole_videos[part] for part in sorted(self._failed)]
        for task in again:
            undo_division(self.part_files, task)
        return again


def _run_in_group(
    task: Task, group: TaskGroup, pipeline: DetectionPipeline, progress: ProgressCallback
) -> None:
    """Run a task on this thread, unless its results would be dropped."""
    if group.is_dropped(task):
        return
    counters = JobCounters()
    try:
        for result in run_task(task, pipeline, part_files=group.part_files):
            progress(counters.add(result))
    except IndexMismatch as error:
        group.drop(task, str(error))
    else:
        group.add(task, counters)


def run_task(task: Task, pipeline: DetectionPipeline, part_files: PartFiles) -> Iterator[FrameResult]:
    """Process the sources of a task, yield the results, and write the part files.

    A part file is complete only after the caller has received all its results and has requested the next
    result. If a task runs twice, it writes the same part files.

    Raises:
        OSError: A part file cannot be written.
        TableError: A part file that is needed is damaged.
        IndexMismatch: The task uses the index of a video, and the video does not agree with it.
    """
    if task.is_video:
        yield from _run_video_task(task, pipeline, part_files)
        return
    kept: list[TableRow] = []
    if task.retry:
        names = {source.name for source in task.sources}
        kept = [row for row in part_files.read_rows(task.part) if row["source"] not in names]
    yield from _write_part(pipeline.process(task.sources), part_files, part_files.file_name(task.part), kept)


def _run_video_task(task: Task, pipeline: DetectionPipeline, part_files: PartFiles) -> Iterator[FrameResult]:
    source, start, count = task.sources[0], task.start, FRAMES_PER_CHUNK
    index = read_index(part_files, task.part) if task.is_indexed else None
    if task.is_indexed and index is None:
        if start > 0 or task.stop is not None:
            raise IndexMismatch("the index is missing or damaged")
        index = make_index(part_files, source, pipeline.settings)
    tracker = pipeline.make_tracker()
    if tracker:
        for done in range(0, start, FRAMES_PER_CHUNK):
            for result in results_from_rows(part_files.read_rows(task.part, done)):
                if result.faces is not None:
                    tracker.update(result.faces, result.time)
    after = (0, 0.0)
    if start > 0 and index is None:
        for row in part_files.read_rows(task.part, start - FRAMES_PER_CHUNK):
            after = int(str(row["frame"])), float(str(row["timestamp"] or 0))
    with closing(pipeline.process_video(source, tracker, skip=start, after=after, index=index)) as results:
        while count == FRAMES_PER_CHUNK and start != task.stop:
            chunk = islice(results, FRAMES_PER_CHUNK)
            count = yield from _write_part(chunk, part_files, part_files.file_name(task.part, start))
            start += FRAMES_PER_CHUNK


def _write_part(
    results: Iterable[FrameResult], part_files: PartFiles, file_name: str, kept: Sequence[TableRow] = ()
) -> Generator[FrameResult, None, int]:
    """Write a part file with the rows `kept` and the rows of the results. Return the number of results."""
    count = 0
    with part_files.folder.open_for_writing(file_name) as file:
        writer = part_files.make_writer(file)
        writer.add_rows(kept)
        for result in results:
            writer.add(result)
            yield result
            count += 1
        writer.close()
    return count


# Arguments of the function mallopt of glibc
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 1 << 26  # number of free bytes that each heap keeps
_LARGEST_HEAP_BLOCK = 1 << 25  # size of the largest block in a heap, in bytes; glibc accepts no larger size


def keep_freed_memory() -> None:
    """Configure glibc so that it keeps the memory of an image for the next image.

    Without this setting, glibc returns the memory of every image to the system, and requests memory again
    page by page. This takes 5 to 15 % of the time of a job on two CPUs. The setting applies to the complete
    process.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # a C library other than glibc has no mallopt
            mallopt = ctypes.CDLL(None).mallopt
            mallopt(_M_MMAP_THRESHOLD, _LARGEST_HEAP_BLOCK)
            mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
