"""What a name stands for: a file, a camera or a stream."""

from __future__ import annotations

import re

from ..stores.address import STREAMS

_CAMERA = re.compile(r"camera:(\d{1,4})")


def camera_number(name: str) -> int | None:
    """The number of the camera that `camera:0` names; None for anything else."""
    found = _CAMERA.fullmatch(name)
    return int(found[1]) if found else None


def is_stream(name: str) -> bool:
    """Whether the name is the address of something that comes over a network."""
    scheme, found, _ = name.partition("://")
    return bool(found) and scheme.lower() in STREAMS


def is_live(name: str) -> bool:
    """Whether the name is a camera or a stream, which is there once: what has passed cannot be read again."""
    return camera_number(name) is not None or is_stream(name)
