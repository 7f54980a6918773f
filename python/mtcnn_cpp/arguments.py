"""Checks of a detector's arguments; the options of a detection check themselves."""

from __future__ import annotations

import operator
import os
from pathlib import Path
from typing import SupportsIndex

from .cpus import usual_threads
from .model import Model

MAX_THREADS = 1024


def check_threads(threads: SupportsIndex) -> int:
    try:
        count = operator.index(threads)
    except TypeError:
        raise TypeError(f"threads must be an integer, got {threads!r} ({type(threads).__name__})") from None
    if not 0 <= count <= MAX_THREADS:
        raise ValueError(f"threads must be from 1 to {MAX_THREADS}, or 0 for all usable CPUs, got {count}")
    return count


def worker_count(threads: int) -> int:
    """The number of threads that `threads` stands for: 0 is for as many as are usual."""
    return threads or min(usual_threads(), MAX_THREADS)


def check_limit(limit: SupportsIndex) -> int:
    try:
        count = operator.index(limit)
    except TypeError:
        raise TypeError(f"memory_limit must be an integer, got {limit!r} ({type(limit).__name__})") from None
    if not 0 <= count < 1 << 63:
        raise ValueError(f"memory_limit must be a number of bytes, or 0 for what is free, got {count}")
    return count


def check_model(model: Model | str | os.PathLike[str] | None) -> Model:
    if model is None:
        return Model.default()
    if isinstance(model, Model):
        return model
    if isinstance(model, (str, os.PathLike)):
        return Model.load(Path(model))
    raise TypeError(f"model must be a Model, the path of one, or None, got {type(model).__name__}")
