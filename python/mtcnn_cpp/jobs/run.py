"""Running a job: a plan, done into one table or into a folder of parts."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from ..stores import Folder
from ..table import Result
from .look import Eyes
from .manifest import NAME, check_manifest, write_manifest
from .parts import Left, Parts, left_to_do
from .settings import Settings
from .source import Source
from .work import Watch, do_unit

if TYPE_CHECKING:
    from ..detector import Detector


class Output(Protocol):
    """Takes results: `table.Writer` and `table.Terminal`."""

    def add(self, result: Result) -> None: ...


@dataclass
class Summary:
    """frames: how many pictures and frames were looked at. faces: in them. failed: how many results have an
    error. done_before: sources that a resumed job found done."""

    frames: int = 0
    faces: int = 0
    failed: int = 0
    done_before: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, result: Result) -> None:
        """Count a result; from any thread."""
        with self._lock:
            self.frames += result.faces is not None
            self.faces += len(result.faces or ())
            self.failed += bool(result.error)


def run_to_output(sources: Iterable[Source], eyes: Eyes, output: Output, watch: Watch) -> Summary:
    """Look at the sources one after the other, frames in parallel, and pass on every result in order."""
    summary = Summary()
    with closing(eyes.look(sources)) as results:  # type: ignore[type-var]  # it is a generator
        for result in results:
            output.add(result)
            summary.add(result)
            watch(result)
    return summary


def prepare(
    folder: Folder,
    settings: Settings,
    detector: Detector,
    sources: Iterable[Source],
    *,
    resume: bool,
    most: int | None = None,
    names: Iterable[str] = (),
) -> Left:
    """Make the folder that of this job, or see that it is; what is left to do. Call it under its lock. most:
    pictures in a new unit, None for the usual number. names: those that the sources were found by.

    Raises FileExistsError for a folder that holds a job or anything else and is not to be resumed, ValueError
    if its job had other options or a live source is to be resumed, TableError for a part that is damaged or
    that is there twice.
    """
    from .. import __version__

    described = settings.described(detector, __version__)
    there = [name for name in folder.names() if not name.startswith(".")]
    if not there:
        write_manifest(folder, described)
    elif not resume:
        raise FileExistsError(
            f"{folder.name} holds a job already; --resume goes on with it; else choose another folder"
            if NAME in there
            else f"{folder.name} is not empty and holds no job; choose another folder for the table"
        )
    elif NAME not in there:
        raise FileExistsError(f"{folder.name} is not empty and holds no job; nothing can be resumed there")
    else:
        check_manifest(folder, described)
        sources = list(sources)
        live = next((source.name for source in sources if source.kind == "live"), None)
        if live is not None:
            raise ValueError(f"{live} is live: what has passed cannot be read again, so it cannot be resumed")
        folder.clean()
    parts = Parts(folder, settings.format, csv_safe=settings.csv_safe)
    sources = list(sources)
    found = parts.find()
    parts.check_others(found, sources)
    left = left_to_do(sources, found, whole_videos=settings.saves, most=most, names=names)
    for part, start in left.stale:
        folder.remove(parts.name(part, start))
    for part, replaced in left.replaced.items():
        parts.without(part, replaced)
    return left


def run_to_folder(left: Left, eyes: Eyes, parts: Parts, watch: Watch, *, at_once: int) -> Summary:
    """Do the units, so many at once, each into its part. Raises what `do_unit` raises, and then ends the
    others, whose parts are not written."""
    summary = Summary(done_before=left.done)

    def watch_all(result: Result) -> None:
        summary.add(result)
        watch(result)

    with ThreadPoolExecutor(at_once, thread_name_prefix="mtcnn_cpp unit") as pool:
        futures = [pool.submit(do_unit, unit, eyes, parts, watch_all) for unit in left.units]
        try:
            for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                future.result()
        except BaseException:
            eyes.stop()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return summary
