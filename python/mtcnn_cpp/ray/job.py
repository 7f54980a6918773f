"""The units of a job, run by actors of Ray Data on a cluster."""

from __future__ import annotations

import contextlib
import os
import pickle
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ..jobs import Left, Parts, Settings, Summary
from ..jobs.parts import PART
from ..jobs.unit import PICTURES, Unit
from ..stores import is_address
from .extra import need_ray
from .foreman import Foreman
from .pulse import ClusterError, Pulse, Told
from .tally import Tally
from .worker import Job

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

    ray = need_ray()
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
    foreman = ray.remote(num_cpus=0)(Foreman).options(scheduling_strategy=_here(ray)).remote()
    try:
        ray.get(foreman.start.remote(left.units, job, min(len(left.units), slots(cpus)), cpus))
        pulse = Pulse(ray, foreman, left.units, tell, cpus)
        for news in pulse:
            watch(news.seen)
            for tally in news.done:
                summary.frames += tally.frames
                summary.faces += tally.faces
                summary.failed += tally.failed
                for error in tally.errors:
                    fail(error)
    finally:
        with contextlib.suppress(Exception):  # it may be gone already
            ray.kill(foreman)
    parts.folder.clean()  # what actors that were killed have left
    _check_parts(left.units, parts)
    return summary


def _here(ray: Any) -> Any:
    """To run on this machine, which lives as long as the job."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)


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
