"""The units of a job, run by actors of Ray Data on a cluster."""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ..jobs import Left, Parts, Settings, Summary
from ..jobs.parts import PART
from ..jobs.unit import PICTURES, Unit
from ..stores import is_address
from .extra import need_ray
from .pulse import POLL, ClusterError, Pulse, Told
from .tally import Tally
from .worker import Beats, Job, Units

if TYPE_CHECKING:
    from ..detector import Detector

LEAST = 16  # pictures in a unit
SHARES = 8  # units for each actor


def slots(cpus: int) -> int:
    """How many actors of so many CPUs the cluster has place for.

    Raises ValueError if there is no machine with so many.
    """
    ray = need_ray()
    sizes = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
    count = sum(size // cpus for size in sizes)
    if count == 0:
        raise ValueError(
            f"no machine of the Ray cluster has {cpus:,} CPUs: {len(sizes):,} with "
            f"{max(sizes, default=0):,} at most; give fewer --threads"
        )
    return count


def fitting_units(pictures: int, actors: int) -> int:
    """How many pictures a unit has, so that every actor gets several units."""
    return min(PICTURES, max(LEAST, -(-pictures // (SHARES * actors))))


def run_on_ray(
    left: Left,
    detector: Detector,
    settings: Settings,
    parts: Parts,
    *,
    cpus: int = 1,
    watch: Callable[[Tally], None],
    fail: Told,
    tell: Told,
) -> Summary:
    """Do the units on the cluster that is connected, by actors that hold `cpus` CPUs and use as many threads;
    each writes its parts itself, so the folder is to be one that all machines see.

    watch: is told what was counted, about once a second. fail: of what failed, in words. tell: what the user
    should know meanwhile. A unit whose machine dies is done again, by another; doing it twice gives the same
    part.

    Raises ClusterError if the job has to end, TimeoutError if it makes no progress; then what is complete
    stays.
    """
    from .. import __version__

    summary = Summary(done_before=left.done)
    if not left.units:
        return summary
    names = [parts.folder.name, *(source.name for unit in left.units for source in unit.sources)]
    relative = any(not is_address(name) and not os.path.isabs(name) for name in names)
    job = Job(
        pickle.dumps(detector.replace(threads=cpus)),
        settings,
        parts,
        settings.described(detector, __version__),
        os.getcwd() if relative else None,
    )
    actors = min(len(left.units), slots(cpus))
    for tally in _tallies(left.units, job, actors, cpus, watch, tell):
        summary.frames += tally.frames
        summary.faces += tally.faces
        summary.failed += tally.failed
        for error in tally.errors:
            fail(error)
    parts.folder.clean()  # what actors that were killed have left
    _check_parts(left.units, parts)
    return summary


def _tallies(
    units: list[Unit],
    job: Job,
    actors: int,
    cpus: int,
    watch: Callable[[Tally], None],
    tell: Told,
) -> Iterator[Tally]:
    """What each unit came to, as they end."""
    ray = need_ray()
    beats = ray.remote(num_cpus=0)(Beats).options(scheduling_strategy=_here(ray)).remote()
    rows: queue.SimpleQueue[Any] = queue.SimpleQueue()
    with _settings_of_data(ray):
        dataset = _dataset(ray, units, job, beats, actors, cpus)

    def take() -> None:
        try:
            for batch in dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
                for row in batch.to_pylist():
                    rows.put(row)
            rows.put(None)
        except BaseException as error:
            rows.put(error)

    threading.Thread(target=take, daemon=True, name="mtcnn_cpp units").start()
    pulse = Pulse(ray, beats, units, watch, tell, cpus)
    while True:
        try:
            row = rows.get(timeout=POLL)
        except queue.Empty:
            pulse.feel()
            continue
        if row is None:
            pulse.feel()
            return
        if isinstance(row, BaseException):
            raise ClusterError(
                f"the job on Ray has failed: {_reason(row)}; --resume goes on with it"
            ) from row
        if row["error"]:
            raise ClusterError(row["error"])
        pulse.feel(sure=True)
        yield pickle.loads(row["tally"])


def _dataset(ray: Any, units: Iterable[Unit], job: Job, beats: Any, actors: int, cpus: int) -> Any:
    import pyarrow

    tables = [pyarrow.table({"unit": [pickle.dumps(unit)]}) for unit in units]
    return ray.data.from_arrow(tables).map_batches(
        Units,
        fn_constructor_args=(job, beats),
        batch_size=1,
        batch_format="pyarrow",
        num_cpus=cpus,
        compute=ray.data.ActorPoolStrategy(size=actors, max_tasks_in_flight_per_actor=1),
    )


def _here(ray: Any) -> Any:
    """To run on this machine, which lives as long as the job."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)


@contextlib.contextmanager
def _settings_of_data(ray: Any) -> Iterator[None]:
    """Ray Data's settings for data sets that are made in the block: quiet, and with no limits of its own on
    how long a unit may take."""
    context = ray.data.DataContext.get_current()
    ours = {
        "enable_progress_bars": False,
        "print_on_execution_start": False,
        "execution_no_progress_timeout_s": -1,
    }
    before = {name: getattr(context, name) for name in ours if hasattr(context, name)}
    for name in before:
        setattr(context, name, ours[name])
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(context, name, value)


def _check_parts(units: Iterable[Unit], parts: Parts) -> None:
    """ClusterError if parts that were written are not in the folder that this machine sees."""
    found = (PART.fullmatch(name.rpartition(".")[0]) for name in parts.folder.names())
    there = {fits[1] for fits in found if fits}
    missing = [unit.part for unit in units if unit.part not in there]
    if missing:
        raise ClusterError(
            f"{len(missing):,} parts, {missing[0]} among them, were written on other machines but are not in "
            f"{parts.folder.name} here; the output must be a folder that all machines share, or an address "
            "of an object store"
        )


def _reason(error: BaseException) -> str:
    """The last words of what Ray says."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
