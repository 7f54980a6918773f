"""Division of long videos into tasks, and the indexes of frames that this needs.

An index is a file in the folder of the part files, from the first task of a video until the job is complete.
While it exists, the part files of the video may have gaps. Without it, only the part files before the first
gap are used.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from ..media.video import Video
from ..media.video.key_frames import FrameIndex
from ..media.video.video import index_frames
from ..storage.address import is_address
from . import tasks
from .part_files import PartFiles
from .settings import JobSettings
from .sources import SOURCE_ERRORS, Source
from .tasks import PartContents, Task, VideoDivision, video_part_name

_PREFIX, _SUFFIX = "_frames-", ".npz"


def is_divisible(source: Source, settings: JobSettings) -> bool:
    """Return whether the video may be divided if its content permits it."""
    reading = settings.reading
    return (
        source.kind == "video"
        and not source.error
        and not is_address(source.address or source.name)
        and settings.sequence_fps is None  # a folder of images
        and not settings.saves_images  # an annotated video is one file
        and not reading.deinterlace  # the filter combines frames
        and reading.choose() == "pyav"
    )


def make_index(part_files: PartFiles, source: Source, settings: JobSettings) -> FrameIndex | None:
    """Make the index of a video of which no part file exists, and save it in the folder.

    Returns None, and saves nothing, if the video has only one chunk, if decoding can begin only with its
    first frame, or if it cannot be read.
    """
    try:
        with Video(source.address or source.name, **dataclasses.asdict(settings.reading), threads=1) as video:
            expected = video.expected_count(settings.sampling)
            is_short = expected is not None and expected <= tasks.FRAMES_PER_CHUNK
            index = None if is_short else index_frames(video)
    except SOURCE_ERRORS:
        return None
    if index is None or count_selected(index, settings) <= tasks.FRAMES_PER_CHUNK:
        return None
    with part_files.folder.open_for_writing(_file_name(video_part_name(source.name))) as file:
        file.write(index.to_bytes())
    return index


def read_index(part_files: PartFiles, part: str) -> FrameIndex | None:
    """Read the index of a video. Returns None if it does not exist or is damaged."""
    try:
        return FrameIndex.from_bytes(part_files.folder.read(_file_name(part)))
    except (FileNotFoundError, ValueError):
        return None


def count_selected(index: FrameIndex, settings: JobSettings) -> int:
    """Return the number of frames that the job processes."""
    return len(settings.sampling.select(index.times))


def find_division(
    part_files: PartFiles,
    sources: Iterable[Source],
    contents: PartContents,
    settings: JobSettings,
    *,
    workers: int,
) -> VideoDivision:
    """Find the videos that may be divided.

    If there are fewer new videos than two for each worker, make their indexes now, so that several workers
    can process one video. Otherwise, the tasks of these videos make their indexes.
    """
    stored = set(part_files.folder.names())
    lengths: dict[str, int] = {}
    new: dict[Source, str] = {}
    for source in sources:
        if not is_divisible(source, settings):
            continue
        part = video_part_name(source.name)
        if _file_name(part) in stored:
            if (index := read_index(part_files, part)) is not None:
                lengths[part] = count_selected(index, settings)
        elif part not in contents.videos:
            new[source] = part
    if workers > 1 and len(new) < 2 * workers:
        for source, part in new.items():
            if (index := make_index(part_files, source, settings)) is not None:
                lengths[part] = count_selected(index, settings)
        new = {}
    return VideoDivision(lengths, new.keys(), workers, in_order=settings.track)


def undo_division(part_files: PartFiles, whole: Task) -> None:
    """Remove the index of a video, and all its part files that the task of the whole video will write.

    No other task of this video may be running.
    """
    part_files.folder.remove(_file_name(whole.part))
    for start in part_files.starts(whole.part):
        if start >= whole.start:
            part_files.folder.remove(part_files.file_name(whole.part, start))


def remove_indexes(part_files: PartFiles) -> None:
    """Remove the indexes of all videos, because the job is complete."""
    for name in part_files.folder.names():
        if name.startswith(_PREFIX) and name.endswith(_SUFFIX):
            part_files.folder.remove(name)


def _file_name(part: str) -> str:
    return f"{_PREFIX}{part}{_SUFFIX}"
