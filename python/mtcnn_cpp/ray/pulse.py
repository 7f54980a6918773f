"""Whether anything is done on a cluster, and what to say if not."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any, TypeAlias

from ..jobs.unit import Unit
from .tally import Tally

RETRIES = 5  # of a unit whose machine or process has died
SAY = 30.0  # seconds without a sign of life after which it is said
GIVE_UP = 600.0  # … and after which the job ends
POLL = 0.5

Told: TypeAlias = Callable[[str], None]


class ClusterError(OSError):
    """A job on a cluster that has failed as a whole; what is complete stays, and can be gone on with."""


class Pulse:
    """Whether anything is done on the cluster."""

    def __init__(
        self,
        ray: Any,
        beats: Any,
        units: list[Unit],
        watch: Callable[[Tally], None],
        tell: Told,
        cpus: int,
    ) -> None:
        self._ray, self._beats, self._units, self._watch, self._tell = ray, beats, units, watch, tell
        self._cpus = cpus
        self._last = self._asked = time.monotonic()
        self._said = False

    def feel(self, *, sure: bool = False) -> None:
        """Pass on what was counted; TimeoutError if nothing was for too long. sure: a unit has just ended."""
        now = time.monotonic()
        count = 0
        if not sure or now - self._asked >= POLL:
            self._asked = now
            with contextlib.suppress(self._ray.exceptions.RayError):
                count, tally, often = self._ray.get(self._beats.take.remote(), timeout=5)
                self._watch(tally)
                self._check(*often)
        if sure or count:
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
