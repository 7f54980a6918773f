"""The actor that has the units of a job done, and can be asked how far they are."""

from __future__ import annotations

import logging
import pickle
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ..jobs.unit import Unit
from .tally import Tally
from .worker import Job, Units


@dataclass
class News:
    """What happened since the last one. beats: signs of life. seen: what they counted. often: the unit that
    was begun most often up to now, and how often. done: what each unit that has ended came to. error: what is
    wrong with the job, in the words of a worker. failure: what Ray says if the job has failed. ended: whether
    there is no more to come."""

    beats: int = 0
    seen: Tally = field(default_factory=Tally)
    often: tuple[str, int] = ("", 0)
    done: list[Tally] = field(default_factory=list)
    error: str = ""
    failure: str = ""
    ended: bool = False


class Foreman:
    """Runs a data set of units. It is an actor, and owns those that do the units, so that they end with it
    whatever they are doing; a data set by itself cannot be ended while one waits for its next row."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._news = self._taken = News()
        self._number = 0
        self._begun: Counter[str] = Counter()

    def start(self, units: list[Unit], job: Job, actors: int, cpus: int) -> None:
        """Begin, and return at once."""
        import ray

        me = ray.get_runtime_context().current_actor
        threading.Thread(target=self._run, args=(units, job, me, actors, cpus), daemon=True).start()

    def begin(self, part: str) -> None:
        """A unit is begun, perhaps again."""
        with self._lock:
            self._begun[part] += 1
            self._news.beats += 1

    def add(self, tally: Tally) -> None:
        """A sign of life, and what was counted since the last one."""
        with self._lock:
            self._news.seen.merge(tally)
            self._news.beats += 1

    def take(self, number: int) -> News:
        """The news, each once. number: counts the calls; asked again with the same one, because the answer
        was lost, it answers the same."""
        with self._lock:
            if number != self._number:
                self._number = number
                self._taken, self._news = self._news, News(ended=self._news.ended)
                self._taken.often = max(self._begun.items(), key=lambda item: item[1], default=("", 0))
            return self._taken

    def _run(self, units: list[Unit], job: Job, me: Any, actors: int, cpus: int) -> None:
        failure = ""
        try:
            dataset = _dataset(units, job, me, actors, cpus)
            for batch in dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
                for row in batch.to_pylist():
                    with self._lock:
                        self._news.done.append(pickle.loads(row["tally"]))
                        self._news.error = self._news.error or row["error"]
        except BaseException as error:  # told to who asks
            failure = _reason(error)
        with self._lock:
            self._news.failure, self._news.ended = failure, True


def _dataset(units: list[Unit], job: Job, me: Any, actors: int, cpus: int) -> Any:
    import pyarrow
    import ray.data

    context = ray.data.DataContext.get_current()
    ours = {
        "enable_progress_bars": False,
        "print_on_execution_start": False,
        "execution_no_progress_timeout_s": -1,  # a unit may take hours
    }
    for name, value in ours.items():
        if hasattr(context, name):  # of this version
            setattr(context, name, value)
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    tables = [pyarrow.table({"unit": [pickle.dumps(unit)]}) for unit in units]
    return ray.data.from_arrow(tables).map_batches(
        Units,
        fn_constructor_args=(job, me),
        batch_size=1,
        batch_format="pyarrow",
        num_cpus=cpus,
        compute=ray.data.ActorPoolStrategy(size=actors, max_tasks_in_flight_per_actor=2),
    )


def _reason(error: BaseException) -> str:
    """The last words of what Ray says."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
