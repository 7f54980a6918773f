"""Calls a function for many items on several threads. The results have the same order as the items."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from typing import TYPE_CHECKING, TypeVar

from ..reference.types import CancellationSource

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

T = TypeVar("T")
R = TypeVar("R")

# Maximum number of items per thread that are being computed or whose result was not yielded yet. With two
# items per thread, no thread is idle.
ITEMS_PER_THREAD = 2


def map_parallel(
    function: Callable[[T], R],
    items: Iterable[T],
    *,
    workers: int,
    cancellation: CancellationSource,
    on_caller: Callable[[T], bool] | None = None,
) -> Generator[R, None, None]:
    """Yield `function(item)` for each item, in order. The function runs on `workers` threads.

    With one worker, the calling thread runs `function`. With several workers, a thread pool runs `function`,
    and the generator sets `cancellation` when it ends or is closed. This ends the running calls. Errors are
    raised as in `map_ordered`.
    """
    if workers == 1:
        yield from map(function, items)
        return
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(workers, thread_name_prefix="mtcnn_cpp")
    try:
        yield from map_ordered(pool, function, items, ahead=ITEMS_PER_THREAD * workers, on_caller=on_caller)
    finally:
        cancellation.set()  # the results of running calls are not used
        pool.shutdown(cancel_futures=True)


def map_ordered(
    pool: Executor,
    function: Callable[[T], R],
    items: Iterable[T],
    *,
    ahead: int,
    on_caller: Callable[[T], bool] | None = None,
) -> Generator[R, None, None]:
    """Yield `function(item)` for each item, in order. The function runs in a pool.

    The calling thread takes the items and passes them to the pool. When `ahead` results have not been yielded
    yet, it yields the next result before it takes another item. If `on_caller(item)` is true, the calling
    thread computes `function(item)` itself, and then yields the next result. An error of `function` ends the
    generator. An error of `items` is raised after the results of the previous items.
    """
    waiting: deque[Future[R]] = deque()
    failure: Exception | None = None
    remaining = iter(items)
    while True:
        try:
            item = next(remaining)
        except StopIteration:
            break
        except Exception as error:
            failure = error
            break
        run_here = on_caller is not None and on_caller(item)
        waiting.append(_run(function, item) if run_here else pool.submit(function, item))
        if run_here or len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
    if failure is not None:
        raise failure


def _run(function: Callable[[T], R], item: T) -> Future[R]:
    from concurrent.futures import Future

    done: Future[R] = Future()
    try:
        done.set_result(function(item))
    except Exception as error:
        done.set_exception(error)
    return done
