"""How many frames a job will have, as far as that is known before."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from ..stores import is_address
from ..video import Sampling, Video
from .source import Source

MOST_VIDEOS = 100  # that are opened to ask them


def expected_frames(sources: Iterable[Source], sampling: Sampling) -> int | None:
    """Pictures and frames of videos, by what their containers announce; None where too much is not known. An
    estimate, for people who wait."""
    total = videos = 0
    for source in sources:
        if source.kind == "picture" or source.error:
            total += 1
            continue
        videos += 1
        if source.kind == "live" or is_address(source.name) or videos > MOST_VIDEOS:
            return None
        with contextlib.suppress(OSError, ValueError, ImportError), Video(source.name) as video:
            if video.count is None or video.fps is None:
                return None
            first = (sampling.start or 0) * video.fps
            last = video.count if sampling.end is None else min(video.count, sampling.end * video.fps + 1)
            total += max(1, round((last - first) / sampling.every))
    return total
