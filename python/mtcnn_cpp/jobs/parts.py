"""The parts of a table in a folder: what is done, what failed, and what is left to do."""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import IO

import numpy as np

from ..detections import LANDMARKS, Detections
from ..stores import Folder
from ..table import Format, Result, Row, State, TableError, Writer, make_writer, read_rows, read_states
from .source import Source
from .unit import STRETCH, Unit, picture_units, video_part, video_unit

PART = re.compile(r"(pictures-[0-9a-f]{16}|video-[0-9a-f]{16})(?:-(\d{9}))?")


@dataclass
class Found:
    """What the parts of a folder hold. pictures: of each part its sources. videos: of each video's parts, by
    the number of the first frame, the state. names: of each video's parts the source. others: tables of the
    folder that are no parts, with their sources."""

    pictures: dict[str, dict[str, State]] = field(default_factory=dict)
    videos: dict[str, dict[int, State]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    others: dict[str, set[str]] = field(default_factory=dict)


class Parts:
    """The parts in `folder`, all of one format; one that is damaged is a TableError when it is read."""

    def __init__(self, folder: Folder, format: Format, *, csv_safe: bool = False) -> None:
        self.folder = folder
        self.format = format
        self._csv_safe = csv_safe

    def name(self, part: str, start: int | None = None) -> str:
        """The name of a part's file; `start`: the number of a video's first frame in it."""
        return f"{part}{'' if start is None else f'-{start:09d}'}.{self.format.value}"

    def find(self) -> Found:
        """Read what is there. TableError for a part that is damaged, or a copy of another."""
        found = Found()
        where: dict[str, str] = {}  # the part of each source
        for name in self.folder.names():
            stem, _, ending = name.rpartition(".")
            fits = PART.fullmatch(stem)
            if fits is None or ending != self.format.value:
                if name[0] not in "._" and Format.of(name) is self.format:
                    with contextlib.suppress(TableError):
                        found.others[name] = set(self._states(name))
                continue
            states = self._states(name)
            part, start = fits.groups()
            for source in states:
                if where.setdefault(source, part) != part:
                    raise self._copied(source, name, f"{where[source]}…")
            if part.startswith("pictures"):
                found.pictures[part] = states
            else:
                self._add_video(found, name, part, int(start or 0), states)
        return found

    def check_others(self, found: Found, sources: Iterable[Source]) -> None:
        """TableError if another table in the folder has rows of these sources, or of the parts."""
        known = {source.name for source in sources} if found.others else set()
        known.update(found.names.values(), *found.pictures.values())
        for name, others in found.others.items():
            if twice := sorted(known & others):
                raise self._copied(twice[0], name, "the parts of this job")

    def without(self, part: str, sources: Collection[str]) -> None:
        """Write a part again without the rows of these sources; without rows, remove it."""
        kept = [row for row in self.rows(part) if row["source"] not in sources]
        if not kept:
            self.folder.remove(self.name(part))
            return
        with self.folder.writing(self.name(part)) as file:
            writer = self.writer(file)
            writer.add_rows(kept)
            writer.close()

    def writer(self, file: IO[bytes]) -> Writer:
        """What writes rows to the file of a part."""
        return make_writer(self.format, file, csv_safe=self._csv_safe)

    def _add_video(self, found: Found, name: str, part: str, start: int, states: dict[str, State]) -> None:
        """Add a part of a video, which comes behind its earlier parts."""
        parts = found.videos.setdefault(part, {})
        state = State(0, "")
        for source, state in states.items():
            if video_part(source) != part:
                raise self._copied(source, name, f"parts named {video_part(source)}…")
            if any(state.first <= other.last for other in parts.values()):
                raise self._copied(source, name, f"other parts named {part}…")
            found.names[part] = source
        parts[start] = state

    def _copied(self, source: str, name: str, other: str) -> TableError:
        return TableError(
            f"{self.folder.name.rstrip('/')}/{name} has rows of {source}, which belong to {other}, so they "
            "would count twice; if it is a copy, remove it or move it to another folder"
        )

    def rows(self, part: str, start: int | None = None) -> Iterator[Row]:
        """The rows of a part."""
        name = self.name(part, start)
        with self.folder.open(name) as file:
            yield from read_rows(file, self.format, name=f"{self.folder.name}/{name}")

    def _states(self, name: str) -> dict[str, State]:
        with self.folder.open(name) as file:
            return read_states(file, self.format, name=f"{self.folder.name}/{name}")


@dataclass
class Left:
    """units: what is left to do. done: how many sources are done. stale: parts of a video that are not part
    of its result. replaced: of parts of pictures, the sources whose rows are replaced by others."""

    units: list[Unit]
    done: int
    stale: list[tuple[str, int]]
    replaced: dict[str, set[str]]


def left_to_do(
    sources: Iterable[Source],
    found: Found,
    *,
    whole_videos: bool,
    most: int | None = None,
    names: Iterable[str] = (),
) -> Left:
    """Units for the sources that are not in the parts, or failed.

    Args:
        sources: What the job reads now.
        found: What the parts hold.
        whole_videos: A video that is not complete is done from its beginning, because it is annotated, too.
        most: Pictures in a new unit, None for the usual number.
        names: The names that the sources were found by. A name that failed, such as a folder that was
            missing, has a row with its error; when there are sources in its place, the row is replaced.
    """
    states = {
        name: (part, state) for part, states in found.pictures.items() for name, state in states.items()
    }
    new: list[Source] = []
    failed: dict[str, list[Source]] = {}
    units: list[Unit] = []
    sources = list(sources)
    left = Left([], 0, [], {})
    outdated = Outdated(sources, names)
    for name, (part, state) in states.items():
        if state.error and outdated(name, is_video=False):
            left.replaced.setdefault(part, set()).add(name)
    for part, name in found.names.items():
        if any(state.error for state in found.videos[part].values()) and outdated(name, is_video=True):
            left.stale += [(part, start) for start in found.videos.pop(part)]
    for source in sources:
        part, state = states.get(source.name, ("", State(0, "")))
        is_there = bool(part)
        if source.kind != "picture":
            unit = video_unit(source)
            done, complete, stale = _progress(found.videos.get(unit.part, {}))
            left.stale += [(unit.part, start) for start in stale]
            if complete or (is_there and not state.error):
                left.done += 1
            else:
                units.append(video_unit(source, 0 if whole_videos else done))
        elif not is_there and video_part(source.name) not in found.videos:
            new.append(source)
        elif state.error:
            failed.setdefault(part, []).append(source)
        else:
            left.done += 1
    mending = [Unit(tuple(some), part, mends=True) for part, some in failed.items()]
    left.units = [*units, *picture_units(new, most), *mending]  # long ones first
    return left


class Outdated:
    """Whether the row of a name that failed is replaced by what is there now: the name is a source of the
    other kind, or no source any more, but was given, lies above a source, or below a name that was given."""

    def __init__(self, sources: Iterable[Source], names: Iterable[str]) -> None:
        self._is_video = {source.name: source.kind != "picture" for source in sources}
        self._failed = {_plain(source.name) for source in sources if source.error}
        self._names = set(map(_plain, names))

    def __call__(self, name: str, *, is_video: bool) -> bool:
        """is_video: the kind of source of which the row is."""
        if name in self._is_video:
            return self._is_video[name] != is_video
        plain = _plain(name)
        given = {plain, *_above(plain)} & self._names
        return bool(given - self._failed) or plain in self._folders

    @functools.cached_property
    def _folders(self) -> set[str]:
        return {folder for name in self._is_video for folder in _above(_plain(name))}


def _plain(name: str) -> str:
    return name.replace(os.sep, "/").rstrip("/")


def _above(name: str) -> Iterator[str]:
    """The folders above a name."""
    while "/" in name:
        name = name.rpartition("/")[0]
        yield name


def _progress(parts: dict[int, State]) -> tuple[int, bool, list[int]]:
    """Of a video's parts: how many frames are in complete ones, whether that is all of the video, and the
    first frames of parts that lie behind its end.

    A part that has fewer frames than a stretch is the video's last.
    """
    done, complete = 0, False
    while (state := parts.get(done)) is not None and not complete:
        if state.error:
            break
        if state.frames < STRETCH:
            complete = True
        else:
            done += STRETCH
    return done, complete, [start for start in parts if start > done]


def results_of(rows: Iterable[Row]) -> Iterator[Result]:
    """The results that made these rows; of faces, the bits are the same."""
    for (source, frame), some in groupby(rows, lambda row: (row["source"], row["frame"])):
        yield _result(str(source), int(str(frame)), list(some))


def _result(source: str, frame: int, rows: list[Row]) -> Result:
    first = rows[0]
    time, error = first["timestamp"], first["error"]
    faces = None
    if first["image_width"] is not None:
        found = [row for row in rows if row["success"]]
        points = [f"{point}_{axis}" for point in LANDMARKS for axis in "xy"]
        faces = Detections(
            _numbers(found, ["x", "y", "width", "height"]),
            _numbers(found, ["confidence"]).reshape(-1),
            _numbers(found, points).reshape(-1, 5, 2),
            (int(str(first["image_height"])), int(str(first["image_width"]))),
        )
    seconds = float("nan") if time is None else float(str(time))
    return Result(source, frame - 1, seconds, faces, str(error or ""))


def _numbers(rows: list[Row], names: list[str]) -> np.ndarray:
    values = [[np.nan if row[name] is None else row[name] for name in names] for row in rows]
    return np.array(values, np.float32).reshape(len(rows), len(names))
