"""Summary of a job that writes part files: one row per source, in the file `_summary.tsv`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from .part_files import PartFiles
from .settings import JobSettings
from .table.text_formats import CsvWriter

# Readers of the folder ignore names that begin with an underscore, or read only files with the extension of
# the part files. No format of a table has the extension tsv.
SUMMARY_NAME = "_summary.tsv"
SUMMARY_COLUMNS = ("source", "frames", "frames_with_face", "faces", "tracks", "errors", "seconds")
_CELLS = ("source", "frame", "face_id", "timestamp", "success", "image_width", "error")


@dataclass
class SourceSummary:
    """Numbers of one source, or of a complete job.

    Attributes:
        frames: Number of images and frames in which faces were searched.
        frames_with_face: Number of these images and frames with at least one face.
        faces: Number of faces in all images and frames.
        tracks: Numbers of the tracked faces, or None if faces were not tracked.
        errors: Number of images and frames with an error, including a source that cannot be read.
        first: Smallest timestamp in seconds, or None.
        last: Largest timestamp in seconds, or None.
    """

    frames: int = 0
    frames_with_face: int = 0
    faces: int = 0
    tracks: set[int] | None = None
    errors: int = 0
    first: float | None = None
    last: float | None = None

    def add_frame(self, rows: Sequence[Sequence[Any]]) -> None:
        """Count the rows of one frame. Each row has the values of `_CELLS`."""
        _, _, _, time, has_face, width, error = rows[0]
        self.frames += width is not None
        self.frames_with_face += bool(has_face)
        self.errors += bool(error)
        for _, _, face_id, _, success, _, _ in rows:
            self.faces += bool(success)
            if self.tracks is not None and success:
                self.tracks.add(face_id)
        if time is not None:
            self.first = time if self.first is None else min(self.first, time)
            self.last = time if self.last is None else max(self.last, time)

    def row(self, source: str) -> dict[str, object]:
        """Return the row of the summary."""
        seconds = None if self.first is None or self.last is None else self.last - self.first
        tracks = None if self.tracks is None else len(self.tracks)
        values = source, self.frames, self.frames_with_face, self.faces, tracks, self.errors, seconds
        return dict(zip(SUMMARY_COLUMNS, values, strict=True))


@dataclass(frozen=True)
class JobTotals:
    """Sums of the numbers of all sources (see `SourceSummary`). `tracks` is None without tracking."""

    sources: int
    frames: int
    frames_with_face: int
    faces: int
    tracks: int | None
    errors: int


def write_summary(part_files: PartFiles, settings: JobSettings) -> JobTotals:
    """Write the summary of all part files to `_summary.tsv`, sorted by source, and return the sums.

    The summary depends only on the part files. Therefore, it is the same after a job was resumed.

    Raises:
        OSError: The file cannot be written.
        TableError: A part file is damaged.
    """
    summaries: dict[str, SourceSummary] = {}
    for is_video, cells in part_files.read_all(_CELLS):
        for (source, _), rows in groupby(cells, key=lambda row: (row[0], row[1])):
            # The numbers of faces in images are indices, so they are not tracks.
            tracks: set[int] | None = set() if is_video and settings.track else None
            summaries.setdefault(source, SourceSummary(tracks=tracks)).add_frame(list(rows))
    with part_files.folder.open_for_writing(SUMMARY_NAME) as file:
        writer = CsvWriter(file, SUMMARY_COLUMNS, safe=settings.csv_safe, delimiter="\t")
        for source, summary in sorted(summaries.items()):
            writer.add_rows([summary.row(source)])
        writer.close()
    every = summaries.values()
    return JobTotals(
        len(every),
        sum(one.frames for one in every),
        sum(one.frames_with_face for one in every),
        sum(one.faces for one in every),
        sum(len(one.tracks or ()) for one in every) if settings.track else None,
        sum(one.errors for one in every),
    )
