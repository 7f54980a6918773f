"""Many pictures at a time, each on one thread; results come in the order of the pictures."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import numpy as np

from .detections import Detections
from .image import is_pil
from .types import ImageLike, Stop

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

Outcome: TypeAlias = Detections | Exception
T = TypeVar("T")
R = TypeVar("R")

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

    def look(image: ImageLike) -> Outcome:
        try:
            return detect(image)
        except Exception as error:
            return error

    outcomes = in_parallel(look, images, workers=workers, stop=stop)
    return outcomes if on_error == "skip" else _raising(outcomes)


def in_parallel(
    function: Callable[[T], R], items: Iterable[T], *, workers: int, stop: Stop
) -> Generator[R, None, None]:
    """`function(item)` for each item, in order, on so many threads; on the calling thread if it is one.

    stop: set when the generator is left, which ends what its threads are doing. Raises what `in_order`
    raises.
    """
    if workers == 1:
        yield from map(function, items)
        return
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(workers, thread_name_prefix="mtcnn_cpp")
    try:
        yield from in_order(pool, function, items, ahead=AHEAD * workers)
    finally:
        stop.set()  # those that are under way need not end: nobody waits for them
        pool.shutdown(cancel_futures=True)


def in_order(
    pool: Executor, function: Callable[[T], R], items: Iterable[T], *, ahead: int
) -> Generator[R, None, None]:
    """`function(item)` for each item, by the pool's threads, in the order of the items.

    Items are taken on the calling thread; at most `ahead` are under way or wait. What `function` raises ends
    it; what taking an item raises, too, once the results of the items before have been given.
    """
    waiting: deque[Future[R]] = deque()
    failure: Exception | None = None
    left = iter(items)
    while True:
        try:
            item = next(left)
        except StopIteration:
            break
        except Exception as error:
            failure = error
            break
        waiting.append(pool.submit(function, item))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
    if failure is not None:
        raise failure


def _raising(outcomes: Generator[Outcome, None, None]) -> Iterator[Detections]:
    # Closed at once: the error's traceback would keep the threads alive.
    with closing(outcomes):
        for index, outcome in enumerate(outcomes):
            if isinstance(outcome, Exception):
                raise BatchError(index, outcome)
            yield outcome
