"""The parts of a table in a folder: what is done, what failed, and what is left to do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np

from ..detections import LANDMARKS, Detections
from ..stores import Folder
from ..table import Format, Result, Row, State, read_rows, read_states
from .source import Source
from .unit import STRETCH, Unit, picture_units, video_unit

PART = re.compile(r"(pictures-[0-9a-f]{16}|video-[0-9a-f]{16})(?:-(\d{9}))?")


@dataclass
class Found:
    """What the parts of a folder hold. pictures: of each part its sources. videos: of each video's parts, by
    the number of the first frame, the state."""

    pictures: dict[str, dict[str, State]] = field(default_factory=dict)
    videos: dict[str, dict[int, State]] = field(default_factory=dict)


class Parts:
    """The parts in `folder`, all of one format; one that is damaged is a TableError when it is read."""

    def __init__(self, folder: Folder, format: Format) -> None:
        self.folder = folder
        self.format = format

    def name(self, part: str, start: int | None = None) -> str:
        """The name of a part's file; `start`: the number of a video's first frame in it."""
        return f"{part}{'' if start is None else f'-{start:09d}'}.{self.format.value}"

    def find(self) -> Found:
        """Read what is there."""
        found = Found()
        for name in self.folder.names():
            stem, _, ending = name.rpartition(".")
            fits = PART.fullmatch(stem)
            if fits is None or ending != self.format.value:
                continue
            states = self._states(name)
            part, start = fits.groups()
            if part.startswith("pictures"):
                found.pictures[part] = states
            else:
                (state,) = states.values() or (State(0, ""),)
                found.videos.setdefault(part, {})[int(start or 0)] = state
        return found

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
    """units: what is left to do. done: how many sources are done. stale: parts of a video behind its end."""

    units: list[Unit]
    done: int
    stale: list[tuple[str, int]]


def left_to_do(
    sources: Iterable[Source], found: Found, *, whole_videos: bool, most: int | None = None
) -> Left:
    """Units for the sources that are not in the parts, or failed.

    whole_videos: a video that is not complete is done from its beginning, because it is drawn, too. most:
    pictures in a new unit, None for the usual number.
    """
    states = {
        name: (part, state) for part, states in found.pictures.items() for name, state in states.items()
    }
    new: list[Source] = []
    failed: dict[str, list[Source]] = {}
    units: list[Unit] = []
    left = Left([], 0, [])
    for source in sources:
        if source.kind != "picture":
            unit = video_unit(source)
            done, complete, stale = _progress(found.videos.get(unit.part, {}))
            left.stale += [(unit.part, start) for start in stale]
            if complete:
                left.done += 1
            else:
                units.append(video_unit(source, 0 if whole_videos else done))
        elif source.name not in states:
            new.append(source)
        elif states[source.name][1].error:
            failed.setdefault(states[source.name][0], []).append(source)
        else:
            left.done += 1
    mending = [Unit(tuple(some), part, mends=True) for part, some in failed.items()]
    left.units = [*units, *picture_units(new, most), *mending]  # long ones first
    return left


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
