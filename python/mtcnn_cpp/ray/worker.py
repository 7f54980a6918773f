"""What runs in the actors: units of a job, each written as a part by the actor itself."""

from __future__ import annotations

import contextlib
import os
import pickle
import socket
import time
from dataclasses import dataclass
from typing import Any

from ..jobs import Eyes, Parts, Settings, keep_freed_memory
from ..jobs.content import words
from ..jobs.unit import Unit
from ..jobs.work import do_unit
from ..table import Result
from .tally import Tally

BEAT = 1.0  # seconds between two signs of life


@dataclass(frozen=True)
class Job:
    """detector: pickled, so that an actor can say what is wrong with it. described: the settings, as the
    machine that began the job describes them. here: the folder that relative names start from, None if there
    are none."""

    detector: bytes
    settings: Settings
    parts: Parts
    described: dict[str, Any]
    here: str | None


class Units:
    """Does units, one a row: a stage for `map_batches` with `batch_size=1`.

    What goes wrong with the job itself (a part that cannot be written, another version) is told in the
    column `error`, so that it reaches the user in its own words, and Ray does not try again.
    """

    def __init__(self, job: Job, foreman: Any) -> None:
        self._foreman = foreman
        self._error = ""
        self._beat(Tally())
        try:
            self._make(job)
        except Exception as error:  # of any kind: told when the first unit comes
            self._error = words(error)

    def _make(self, job: Job) -> None:
        from .. import __version__

        if job.here is not None:
            try:
                os.chdir(job.here)
            except OSError as error:
                raise FileNotFoundError(
                    f"there is no folder {job.here}, from where relative names start ({error.strerror}); "
                    "give absolute names in folders that every machine has, or addresses of an object store"
                ) from error
        detector = pickle.loads(job.detector)
        described = job.settings.described(detector, __version__)
        if described != job.described:
            other = [name for name in described if described[name] != job.described.get(name)]
            told = ", ".join(f"{name} {described[name]!r}, not {job.described.get(name)!r}" for name in other)
            raise ValueError(f"mtcnn_cpp is another one here: {told}; install the same on every machine")
        keep_freed_memory()
        self._parts = job.parts
        self._eyes = Eyes(detector, job.settings)

    def __call__(self, batch: Any) -> Any:
        import pyarrow

        tally, error = Tally(), self._error
        if not error:
            try:
                self._do(pickle.loads(batch.column("unit")[0].as_py()), tally)
            except (OSError, ValueError, ImportError, MemoryError) as failure:
                error = words(failure)
        if error:
            error = f"{error} (on {socket.gethostname()})"
        return pyarrow.table({"tally": [pickle.dumps(tally)], "error": [error]})

    def _do(self, unit: Unit, tally: Tally) -> None:
        import ray

        with contextlib.suppress(ray.exceptions.RayError):  # waited for: this process may die of the unit
            ray.get(self._foreman.begin.remote(unit.part), timeout=10)
        last, since = time.monotonic(), Tally()

        def watch(result: Result) -> None:
            nonlocal last, since
            tally.add(result)
            since.add(result)
            if time.monotonic() - last >= BEAT:
                self._beat(since)
                last, since = time.monotonic(), Tally()

        do_unit(unit, self._eyes, self._parts, watch)
        self._beat(since)

    def _beat(self, tally: Tally) -> None:
        with contextlib.suppress(Exception):  # nobody has to watch
            self._foreman.add.remote(tally)
