"""Whether anything is done on a cluster, and what to say if not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from ..jobs.unit import Unit
from .foreman import News

RETRIES = 5  # of a unit whose machine or process has died
SAY = 30.0  # seconds without a sign of life after which it is said
GIVE_UP = 600.0  # … and after which the job ends
ANSWER = 45.0  # seconds for the foreman; Ray ends this process when the head is gone for 60
POLL = 0.5

Told: TypeAlias = Callable[[str], None]


class ClusterError(OSError):
    """A job on a cluster that has failed as a whole; what is complete stays, and can be gone on with."""


class Pulse:
    """News of a job, until it has ended; an iterator.

    Raises ClusterError if the job has failed, TimeoutError if nothing is done for too long.
    """

    def __init__(self, ray: Any, foreman: Any, units: list[Unit], tell: Told, cpus: int) -> None:
        self._ray, self._foreman, self._units, self._tell = ray, foreman, units, tell
        self._cpus = cpus
        self._last = time.monotonic()
        self._said = False
        self._number = 0

    def __iter__(self) -> Iterator[News]:
        while True:
            news = self._ask()
            yield news
            if news.error:
                raise ClusterError(news.error)
            if news.failure:
                raise ClusterError(f"the job on Ray has failed: {news.failure}; --resume goes on with it")
            if news.ended:
                return
            self._check(*news.often)
            self._feel(alive=bool(news.beats or news.done))
            time.sleep(POLL)

    def _ask(self) -> News:
        errors = self._ray.exceptions
        self._number += 1
        patience = time.monotonic() + ANSWER
        while True:
            try:
                news: News = self._ray.get(self._foreman.take.remote(self._number), timeout=ANSWER)
                return news
            except (errors.ActorUnavailableError, errors.GetTimeoutError) as error:  # for a while, perhaps
                if time.monotonic() > patience:
                    raise _silent(error) from error
                time.sleep(POLL)
            except errors.RayError as error:
                raise _silent(error) from error

    def _feel(self, *, alive: bool) -> None:
        now = time.monotonic()
        if alive:
            self._last, self._said = now, False
            return
        quiet = now - self._last
        if quiet >= GIVE_UP:
            raise TimeoutError(
                f"the job on Ray makes no progress: nothing was done for {quiet:,.0f} s. {self._why()}; what "
                "is complete stays, --resume goes on with it"
            )
        if quiet >= SAY and not self._said:
            self._said = True
            self._tell(f"nothing was done on Ray for {quiet:,.0f} s. {self._why()}; waiting")

    def _check(self, part: str, times: int) -> None:
        """ClusterError for a unit that ends its process each time: Ray would begin it for ever."""
        if times <= 1 + RETRIES:
            return
        sources = next(unit.sources for unit in self._units if unit.part == part)
        shown = ", ".join(source.name for source in sources[:3]) + (", …" if len(sources) > 3 else "")
        raise ClusterError(
            f"the process that looks at {shown} has died {times - 1:,} times; leave them out, or give "
            "workers more memory, and go on with --resume"
        )

    def _why(self) -> str:
        free = self._ray.available_resources().get("CPU", 0)
        whole = self._ray.cluster_resources().get("CPU", 0)
        need = "1 CPU" if self._cpus == 1 else f"{self._cpus:,} CPUs on one machine"
        return f"The cluster has {whole:g} CPUs, of which {free:g} are free; an actor needs {need}"


def _silent(error: Exception) -> ClusterError:
    return ClusterError(
        f"the Ray cluster does not answer any more ({type(error).__name__}); what is complete stays, "
        "--resume goes on with it"
    )
