"""Many pictures at a time, each on one thread; results come in the order of the pictures."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from .detections import Detections
from .image import is_pil
from .types import ImageLike, Stop

if TYPE_CHECKING:
    from concurrent.futures import Future

Outcome: TypeAlias = Detections | Exception

# Pictures a thread that are read ahead or wait to be taken: no thread is idle, and memory stays flat.
AHEAD = 2


class BatchError(ValueError):
    """A picture of a batch failed: `index` says which, `__cause__` why."""

    def __init__(self, index: int, cause: Exception) -> None:
        super().__init__(index, cause)
        self.index = index
        self.__cause__ = cause

    def __str__(self) -> str:
        return f"image {self.index}: {self.__cause__}"


def check_many(images: object) -> None:
    """Refuse one picture in place of many."""
    one = isinstance(images, (str, os.PathLike, bytes)) or is_pil(images)
    if one or (isinstance(images, np.ndarray) and images.ndim < 4):
        raise TypeError(
            "images must be a sequence of pictures, got one picture "
            f"({type(images).__name__}); use detect(image), or [image]"
        )


def stream(
    detect: Callable[[ImageLike], Detections],
    images: Iterable[ImageLike],
    *,
    workers: int,
    on_error: str,
    stop: Stop,
) -> Iterator[Outcome]:
    """The result of `detect` for each picture, in order; its threads end with the iterator.

    stop: ends the detections that are under way when the iterator is left, by an interrupt too. on_error:
    "raise" ends with a BatchError at the first picture that fails, "skip" gives its exception in
    its place. Raises ValueError for anything else, at once.
    """
    if on_error not in ("raise", "skip"):
        raise ValueError(f"on_error must be 'raise' or 'skip', got {on_error!r}")
    outcomes = _in_order(detect, images) if workers == 1 else _in_parallel(detect, images, workers, stop)
    return outcomes if on_error == "skip" else _raising(outcomes)


def _outcome(detect: Callable[[ImageLike], Detections], image: ImageLike) -> Outcome:
    try:
        return detect(image)
    except Exception as error:
        return error


def _in_order(
    detect: Callable[[ImageLike], Detections], images: Iterable[ImageLike]
) -> Generator[Outcome, None, None]:
    return (_outcome(detect, image) for image in images)


def _in_parallel(
    detect: Callable[[ImageLike], Detections], images: Iterable[ImageLike], workers: int, stop: Stop
) -> Generator[Outcome, None, None]:
    from concurrent.futures import ThreadPoolExecutor

    waiting: deque[Future[Outcome]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="mtcnn_cpp")
    try:
        for image in images:
            waiting.append(pool.submit(_outcome, detect, image))
            if len(waiting) >= AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        stop.set()  # those that are under way need not end: nobody waits for them
        pool.shutdown(cancel_futures=True)


def _raising(outcomes: Generator[Outcome, None, None]) -> Iterator[Outcome]:
    # Closed at once: the error's traceback would keep the threads alive.
    with closing(outcomes):
        for index, outcome in enumerate(outcomes):
            if isinstance(outcome, Exception):
                raise BatchError(index, outcome)
            yield outcome
