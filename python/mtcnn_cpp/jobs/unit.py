"""A unit of a job: what is done by one worker, into one part of the table (a long video: into several)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from .source import Source

PICTURES = 256  # of one unit
STRETCH = 3000  # frames of a video in one part


@dataclass(frozen=True)
class Unit:
    """sources: pictures, or one video or live source. part: the name of the part, without its ending; of a
    video, of all its parts, before the number of their first frame. mends: the part is there, and what failed
    in it is tried again. done: frames of the video that are in complete parts."""

    sources: tuple[Source, ...]
    part: str
    mends: bool = False
    done: int = 0

    @property
    def is_video(self) -> bool:
        """Whether it is a video or live source."""
        return self.sources[0].kind != "picture"


def picture_units(sources: Iterable[Source], most: int | None = None) -> Iterator[Unit]:
    """Units of pictures, at most so many in each, with a name that follows from the names of its pictures."""
    left = iter(sources)
    while some := tuple(islice(left, most or PICTURES)):
        yield Unit(some, f"pictures-{_digest([source.name for source in some])}")


def video_unit(source: Source, done: int = 0) -> Unit:
    """The unit of a video or a live source."""
    return Unit((source,), video_part(source.name), done=done)


def video_part(name: str) -> str:
    """The name of all parts of a video or live source, before the number of their first frame."""
    return f"video-{_digest([name])}"


def _digest(names: Sequence[str]) -> str:
    text = "\0".join(names).encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()[:16]
