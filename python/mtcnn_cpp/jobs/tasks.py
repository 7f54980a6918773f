"""The tasks of a job, and the remaining work of a job that writes part files."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from .face_images import stem_of
from .sources import Source
from .table.rows import SourceState

IMAGES_PER_TASK = 256
FRAMES_PER_CHUNK = 3000  # maximum number of video frames in one part file
VIDEO_TASKS_PER_WORKER = 4  # number of tasks of a divided video for each worker


@dataclass(frozen=True)
class Task:
    """A part of a job that one worker does: some images, or chunks of one video or live source.

    Attributes:
        sources: The images, or the one video or live source.
        part: Name of the part file without its extension. A video has one part file for each chunk, and
            `part` is the beginning of the names of these files. The index of the first frame of the chunk
            follows.
        retry: Whether the part file already exists. In this case, the task processes its failed sources
            again.
        start: First chunk of the video, given by the index of its first frame.
        stop: Chunk of the video before which the task ends. None: the task ends with the video.
        is_indexed: Whether the task uses the index of the video (see `divided_videos`). If it does not, it
            decodes the video from the beginning. If there is no index yet, the task makes it.
    """

    sources: tuple[Source, ...]
    part: str
    retry: bool = False
    start: int = 0
    stop: int | None = None
    is_indexed: bool = False

    @property
    def is_video(self) -> bool:
        """Whether the task is a video or live source."""
        return self.sources[0].kind != "image"


def make_image_tasks(sources: Iterable[Source], size: int | None = None) -> Iterator[Task]:
    """Divide images into tasks of at most `size` images.

    The names of the images determine the name of the part file.
    """
    remaining = iter(sources)
    while images := tuple(islice(remaining, size or IMAGES_PER_TASK)):
        yield Task(images, f"pictures-{_digest([source.name for source in images])}")


def make_video_task(source: Source, start: int = 0) -> Task:
    """Return the task of a video or live source."""
    return Task((source,), video_part_name(source.name), start=start)


def video_part_name(name: str) -> str:
    """Return the beginning of the names of all part files of a video."""
    return f"video-{_digest([name])}"


def _digest(names: Sequence[str]) -> str:
    text = "\0".join(names).encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()[:16]


@dataclass
class PartContents:
    """The content of the part files in a folder.

    Attributes:
        images: For each part name of images: the state of each source, by name of the source.
        videos: For each part name of a video: the state of each chunk, by index of its first frame.
        video_names: For each part name of a video: the name of the source.
        other_tables: For the file name of each table that is not a part file: the names of its sources.
    """

    images: dict[str, dict[str, SourceState]] = field(default_factory=dict)
    videos: dict[str, dict[int, SourceState]] = field(default_factory=dict)
    video_names: dict[str, str] = field(default_factory=dict)
    other_tables: dict[str, set[str]] = field(default_factory=dict)


@dataclass
class RemainingWork:
    """The remaining work of a job.

    Attributes:
        tasks: Tasks to run.
        done: Number of sources that are already complete.
        stale: Chunks of videos whose part files must be removed. A chunk is given by its part name and the
            index of its first frame.
        replaced: For each part name of images: the names of the sources whose rows are outdated.
        whole_videos: For each part name of a video whose tasks use an index: the task that replaces them if
            the video does not agree with the index.
        stems: For each source with images of faces in the table: the stem of the names of these images.
    """

    tasks: list[Task] = field(default_factory=list)
    done: int = 0
    stale: list[tuple[str, int]] = field(default_factory=list)
    replaced: dict[str, set[str]] = field(default_factory=dict)
    whole_videos: dict[str, Task] = field(default_factory=dict)
    stems: dict[str, str] = field(default_factory=dict)

    @property
    def sources(self) -> list[Source]:
        """The sources of all tasks, without duplicates."""
        return list(dict.fromkeys(source for task in self.tasks for source in task.sources))


def find_remaining_work(
    sources: Iterable[Source],
    contents: PartContents,
    *,
    whole_videos: bool,
    images_per_task: int | None = None,
    names: Iterable[str] = (),
    division: VideoDivision | None = None,
) -> RemainingWork:
    """Make tasks for the sources that have no rows yet, and for the sources whose rows have an error.

    Args:
        sources: Sources of the job.
        contents: Content of the part files.
        whole_videos: Whether an incomplete video is processed again from its first frame. This is necessary
            if the job writes annotated files or images of faces.
        images_per_task: Number of images in a new task. None: 256.
        names: The names from which the sources were found. If a name failed in an earlier run, for example
            because a folder was missing, the name has a row with an error. This row is outdated if sources
            are found for the name now.
        division: Division of videos. None: each video is one task that does not use an index.
    """
    division = division or VideoDivision()
    states = {
        name: (part, state) for part, states in contents.images.items() for name, state in states.items()
    }
    new: list[Source] = []
    failed: dict[str, list[Source]] = {}
    video_tasks: list[Task] = []
    sources = list(sources)
    remaining = RemainingWork(stems=_file_stems(contents))
    outdated = OutdatedErrors(sources, names)
    for name, (part, state) in states.items():
        if state.error and outdated.contains(name, is_video=False):
            remaining.replaced.setdefault(part, set()).add(name)
    for part, name in contents.video_names.items():
        has_error = any(state.error for state in contents.videos[part].values())
        if has_error and outdated.contains(name, is_video=True):
            remaining.stale += [(part, start) for start in contents.videos.pop(part)]
    for source in sources:
        part, state = states.get(source.name, ("", SourceState(0, "")))
        if source.kind != "image":
            video_part = video_part_name(source.name)
            chunks = contents.videos.get(video_part, {})
            frames_done, is_complete, stale = _video_progress(chunks)
            whole = make_video_task(source, 0 if whole_videos else frames_done)
            if is_complete or (part and not state.error):
                remaining.done += 1
            elif video_part in division.lengths or (source in division.new and not chunks):
                new_tasks, stale = division.divide(whole, chunks, stale)
                video_tasks += new_tasks
                remaining.whole_videos[video_part] = whole
            else:
                video_tasks.append(whole)
            remaining.stale += [(video_part, start) for start in stale]
        elif not part and video_part_name(source.name) not in contents.videos:
            new.append(source)
        elif state.error:
            failed.setdefault(part, []).append(source)
        else:
            remaining.done += 1
    retries = [Task(tuple(images), part, retry=True) for part, images in failed.items()]
    # the tasks that probably take the longest time come first
    remaining.tasks = [*video_tasks, *make_image_tasks(new, images_per_task), *retries]
    return remaining


@dataclass(frozen=True)
class VideoDivision:
    """The videos that may be divided into several tasks, because decoding can begin at their key frames.

    Attributes:
        lengths: For each part name of a video with an index: the number of frames to process.
        new: Videos without an index. Their tasks make one.
        workers: Number of tasks that run at the same time.
        in_order: Whether the frames of a video must be processed in order, by one task.
    """

    lengths: Mapping[str, int] = field(default_factory=dict)
    new: Collection[Source] = ()
    workers: int = 1
    in_order: bool = False

    def divide(
        self, whole: Task, chunks: Mapping[int, SourceState], stale: list[int]
    ) -> tuple[list[Task], list[int]]:
        """Return the tasks of a video, and the chunks to remove.

        `whole` is the task without division, and `stale` are the chunks that it does not keep.
        """
        length = self.lengths.get(whole.part)
        if length is None or self.in_order:
            return [replace(whole, is_indexed=True)], stale
        starts = range(0, length + 1, FRAMES_PER_CHUNK)  # the last chunk can be empty
        complete = {
            start
            for start in starts
            if (state := chunks.get(start)) is not None
            and not state.error
            and state.frames == min(FRAMES_PER_CHUNK, length - start)
        }
        missing = [start for start in starts if start not in complete]
        size = (
            len(missing) if self.workers == 1 else -(-len(missing) // (VIDEO_TASKS_PER_WORKER * self.workers))
        )
        ranges: list[list[int]] = []
        for start in missing:
            if ranges and len(ranges[-1]) < size and ranges[-1][-1] + FRAMES_PER_CHUNK == start:
                ranges[-1].append(start)
            else:
                ranges.append([start])
        ends = (None if some[-1] == starts[-1] else some[-1] + FRAMES_PER_CHUNK for some in ranges)
        tasks = [
            replace(whole, start=some[0], stop=end, is_indexed=True)
            for some, end in zip(ranges, ends, strict=True)
        ]
        return tasks, [start for start in chunks if start not in complete]


def _file_stems(contents: PartContents) -> dict[str, str]:
    """Return the stem of the output files for each source with images of faces in the table."""
    stems = {
        name: stem_of(state.file, is_numbered=state.last > 1)
        for states in contents.images.values()
        for name, state in states.items()
        if state.file
    }
    for part, chunks in contents.videos.items():
        for file in (state.file for state in chunks.values() if state.file):
            stems[contents.video_names[part]] = stem_of(file, is_numbered=True)
    return stems


def _video_progress(chunks: dict[int, SourceState]) -> tuple[int, bool, list[int]]:
    """Return the progress of a video.

    The result is the number of frames in complete chunks, whether the video is complete, and the chunks to
    remove. These chunks are given by the indices of their first frames. They lie after the end of the video,
    or after a chunk that is missing or has an error.

    A chunk that has fewer frames than FRAMES_PER_CHUNK, and no error, is the last chunk of the video.
    """
    frames_done, is_complete = 0, False
    while (state := chunks.get(frames_done)) is not None and not is_complete:
        if state.error:
            break
        if state.frames < FRAMES_PER_CHUNK:
            is_complete = True
        else:
            frames_done += FRAMES_PER_CHUNK
    return frames_done, is_complete, [start for start in chunks if start > frames_done]


class OutdatedErrors:
    """Decides for each name in a row with an error whether the row is outdated.

    If the name is now a source, the row is outdated if the kind of the source has changed. If the name is not
    a source now, the row is outdated in three cases. First, the user gave this name, and it has not failed
    now. Second, the user gave the name of a folder above it, and this folder has not failed now. Third, the
    name is the name of a folder that contains a source.
    """

    def __init__(self, sources: Iterable[Source], names: Iterable[str]) -> None:
        self._is_video = {source.name: source.kind != "image" for source in sources}
        self._failed = {_normalized(source.name) for source in sources if source.error}
        self._names = set(map(_normalized, names))

    def contains(self, name: str, *, is_video: bool) -> bool:
        """Return whether the row of `name` with an error is outdated.

        `is_video` states whether the row belongs to a video or live source.
        """
        if name in self._is_video:
            return self._is_video[name] != is_video
        path = _normalized(name)
        given = {path, *_parents(path)} & self._names
        return bool(given - self._failed) or path in self._folders

    @functools.cached_property
    def _folders(self) -> set[str]:
        return {folder for name in self._is_video for folder in _parents(_normalized(name))}


def _normalized(name: str) -> str:
    return name.replace(os.sep, "/").rstrip("/")


def _parents(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path
