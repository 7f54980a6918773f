"""Run the tasks of a job on a Ray cluster. Each task of the job is one Ray task."""

from __future__ import annotations

import contextlib
import os
import pickle
import socket
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..._util.errors import MtcnnError
from ...media.video.key_frames import IndexMismatch
from ...storage.address import is_address
from ..divided_videos import remove_indexes
from ..part_files import PART_NAME, PartFiles
from ..pipeline import DetectionPipeline
from ..run import JobCounters, ProgressCallback, TaskGroup, keep_freed_memory, run_task
from ..settings import JobSettings
from ..sources import error_message
from ..tasks import IMAGES_PER_TASK, RemainingWork, Task
from .connection import ANSWER_SECONDS, need_ray

if TYPE_CHECKING:
    from ...detector.detector import Detector

MIN_IMAGES_PER_TASK = 16
TASKS_PER_WORKER = 8
QUEUED_PER_WORKER = 2  # maximum number of Ray tasks per worker, running and waiting ones together
MAX_RETRIES = 5  # maximum number of retries of a task whose machine or process died
NOTIFY_AFTER = 30.0  # seconds without progress after which the user is notified
GIVE_UP_AFTER = 600.0  # seconds without progress after which the job ends
POLL_SECONDS = 0.5
HEAD_POLL_SECONDS = 5.0
HEAD_LOST_AFTER = 30.0  # seconds without an answer of the head node; after 60 s, Ray ends this process
REPORT_SECONDS = 1.0  # time between two reports of a worker


class ClusterError(MtcnnError, OSError):
    """A job on a cluster failed. Its complete part files are kept, and the job can be resumed."""


@dataclass(frozen=True)
class WorkerJob:
    """The data of a job. All its tasks use the same data.

    Attributes:
        identity: Unique name of the job.
        detector: Pickled detector. The code of the worker unpickles it, so that this code can
            report an unpickling error.
        settings: Settings of the job.
        part_files: Part files in the output folder.
        description: Settings of the job, and version of mtcnn_cpp on the machine that started the job.
        folder: Folder to which relative names refer, or None if there are no relative names.
    """

    identity: str
    detector: bytes
    settings: JobSettings
    part_files: PartFiles
    description: dict[str, Any]
    folder: str | None


def count_workers(cpus: int) -> int:
    """Return the number of workers that the cluster can run at the same time. Each worker needs `cpus` CPUs.

    Raises:
        ValueError: No machine has enough CPUs.
    """
    ray = need_ray()
    sizes = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
    count = sum(size // cpus for size in sizes)
    if count == 0:
        raise ValueError(
            f"no machine of the Ray cluster has {cpus:,} CPUs: it has {len(sizes):,} machines with at most "
            f"{max(sizes, default=0):,} CPUs; use fewer --threads"
        )
    return count


def choose_images_per_task(images: int, workers: int) -> int:
    """Return the number of images in a task. It is chosen so that every worker gets several tasks."""
    return min(IMAGES_PER_TASK, max(MIN_IMAGES_PER_TASK, -(-images // (TASKS_PER_WORKER * workers))))


def run_on_ray(
    remaining: RemainingWork,
    detector: Detector,
    settings: JobSettings,
    part_files: PartFiles,
    *,
    cpus: int = 1,
    progress: ProgressCallback = lambda increments: None,
    notify: Callable[[str], None] = lambda message: None,
) -> JobCounters:
    """Run tasks on the connected cluster.

    Workers write the part files. Therefore all machines must have access to the folder. If a worker dies,
    another worker repeats the task of the dead worker, and it writes the same part file.

    Args:
        remaining: The remaining work that `prepare_folder` returned.
        detector: Detector of the job.
        settings: Settings of the job.
        part_files: Part files in the folder.
        cpus: Number of CPUs of each worker. A worker has the same number of threads.
        progress: Function that receives increments of the counters. Each task sends them about once per
            second.
        notify: Function that receives a message if there is no progress for 30 seconds.

    Returns:
        Counters of the job.

    Raises:
        ClusterError: The job failed, or the head node did not answer for 30 seconds.
        TimeoutError: There was no progress for 10 minutes.
    """
    ray = need_ray()
    counters = JobCounters(done_before=remaining.done)
    if not remaining.tasks:
        remove_indexes(part_files)
        return counters
    group = TaskGroup(remaining, part_files)
    job = ray.put(_make_worker_job(remaining, detector.replace(threads=cpus), settings, part_files))
    start = ray.remote(num_cpus=cpus, max_retries=0, num_returns="streaming")(_run_task_on_worker)
    waiting = deque(remaining.tasks)
    running: dict[Any, tuple[Task, JobCounters]] = {}  # the key is the stream of reports of a task
    deaths: Counter[str] = Counter()
    watchdog, head_node = _ProgressWatchdog(ray, notify, cpus), _HeadNode(ray)
    try:
        while waiting or running:
            head_node.check()
            while waiting and len(running) < QUEUED_PER_WORKER * max(1, watchdog.worker_count):
                task = waiting.popleft()
                if group.is_dropped(task):
                    continue
                running[start.remote(job, task)] = (task, JobCounters())
            ready, _ = ray.wait(list(running), num_returns=1, timeout=POLL_SECONDS)
            for stream in ready:
                task, reported = running[stream]
                try:
                    increments = ray.get(next(stream))
                except StopIteration:
                    del running[stream]
                    group.add(task, reported)
                except ray.exceptions.RayTaskError as error:
                    raise ClusterError(str(error.cause)) from error
                except ray.exceptions.RayError as error:  # the worker or its machine died
                    del running[stream]
                    deaths[task.part] += 1
                    _check_deaths(task, deaths[task.part], error)
                    waiting.append(task)
                else:
                    if isinstance(increments, str):
                        group.drop(task, increments)
                        continue
                    reported.merge(increments)
                    progress(increments)
            if not waiting and not running:
                waiting.extend(group.finish(counters))
                group = TaskGroup(remaining, part_files)
            watchdog.check(has_progress=bool(ready))
    finally:
        for stream in running:
            with contextlib.suppress(Exception):  # the task may have ended already
                ray.cancel(stream, force=True)
    remove_indexes(part_files)
    part_files.folder.clean()  # temporary files of workers that died
    _check_part_files(remaining.tasks, part_files)
    return counters


def _make_worker_job(
    remaining: RemainingWork, detector: Detector, settings: JobSettings, part_files: PartFiles
) -> WorkerJob:
    from ... import __version__

    names = [part_files.folder.name, *(source.name for source in remaining.sources)]
    has_relative = any(not is_address(name) and not os.path.isabs(name) for name in names)
    return WorkerJob(
        os.urandom(8).hex(),
        pickle.dumps(detector),
        settings,
        part_files,
        settings.describe(detector, __version__),
        os.getcwd() if has_relative else None,
    )


def _check_deaths(task: Task, deaths: int, error: Exception) -> None:
    """Raise ClusterError if the process of a task died more than MAX_RETRIES times."""
    if deaths <= MAX_RETRIES:
        return
    names = ", ".join(source.name for source in task.sources[:3]) + (", …" if len(task.sources) > 3 else "")
    raise ClusterError(
        f"the process for {names} died {deaths:,} times; leave these sources out, or give the workers more "
        "memory, and continue with --resume"
    ) from error


class _HeadNode:
    """Detects whether the head node of the cluster still answers.

    Without this check, Ray ends this process after one minute without an answer, and the user sees no reason.
    """

    def __init__(self, ray: Any) -> None:
        self._address = str(ray.get_runtime_context().gcs_address)
        self._last_answer = self._last_check = time.monotonic()

    def check(self) -> None:
        """Open a connection to the head node, if the last check was at least 5 seconds ago.

        Raises ClusterError if the head node has not answered for HEAD_LOST_AFTER seconds.
        """
        if time.monotonic() - self._last_check < HEAD_POLL_SECONDS:
            return
        host, _, port = self._address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_SECONDS).close()
            self._last_answer = time.monotonic()
        except OSError as error:
            seconds = time.monotonic() - self._last_answer
            if seconds >= HEAD_LOST_AFTER:
                raise ClusterError(
                    f"the head node of the Ray cluster at {self._address} did not answer for {seconds:.0f} s "
                    f"({error.strerror or error}); complete part files stay, start the cluster again and use "
                    "--resume to continue the job, or continue it without --ray"
                ) from error
        self._last_check = time.monotonic()


class _ProgressWatchdog:
    """Notifies the user if a job has no progress, and ends the job if it has no progress for too long."""

    def __init__(self, ray: Any, notify: Callable[[str], None], cpus: int) -> None:
        self._ray, self._notify, self._cpus = ray, notify, cpus
        self.worker_count = count_workers(cpus)
        self._last_progress = time.monotonic()
        self._is_notified = False

    def check(self, *, has_progress: bool) -> None:
        """Raise TimeoutError if there was no progress for GIVE_UP_AFTER seconds."""
        now = time.monotonic()
        if has_progress:
            self._last_progress, self._is_notified = now, False
            return
        seconds = now - self._last_progress
        if seconds >= GIVE_UP_AFTER:
            raise TimeoutError(
                f"the job on Ray had no progress for {seconds:,.0f} s. {self._resources()}; complete part "
                "files stay, use --resume to continue the job"
            )
        if seconds >= NOTIFY_AFTER and not self._is_notified:
            self._is_notified = True
            self._notify(f"no progress on Ray for {seconds:,.0f} s. {self._resources()}; waiting")

    def _resources(self) -> str:
        free = self._ray.available_resources().get("CPU", 0)
        total = self._ray.cluster_resources().get("CPU", 0)
        needed = "1 CPU" if self._cpus == 1 else f"{self._cpus:,} CPUs on one machine"
        return f"The cluster has {total:g} CPUs, of which {free:g} are free; a worker needs {needed}"


def _check_part_files(tasks: Iterable[Task], part_files: PartFiles) -> None:
    """Raise ClusterError if this machine does not find the part files of all tasks in the folder."""
    matches = (PART_NAME.fullmatch(name.rpartition(".")[0]) for name in part_files.folder.names())
    existing = {match[1] for match in matches if match}
    missing = [task.part for task in tasks if task.part not in existing]
    if missing:
        raise ClusterError(
            f"{len(missing):,} part files, for example {missing[0]}, were written on other machines but are "
            f"not in {part_files.folder.name} on this machine; the output must be a folder that all machines "
            "share, or an address in an object store"
        )


# The workers execute the following functions.

_pipelines: dict[str, DetectionPipeline] = {}  # the pipeline of the current job in this process


def _run_task_on_worker(job: WorkerJob, task: Task) -> Iterator[JobCounters | str]:
    """Run a task. About once per second, and at the end, yield the increments of its counters.

    If a video does not agree with its index, yield the reason.
    """
    increments, last_report = JobCounters(), time.monotonic()
    try:
        if job.identity not in _pipelines:
            _pipelines.clear()
            _pipelines[job.identity] = _make_pipeline(job)
        for result in run_task(task, _pipelines[job.identity], job.part_files):
            increments.add(result)
            if time.monotonic() - last_report >= REPORT_SECONDS:
                yield increments
                increments, last_report = JobCounters(), time.monotonic()
    except IndexMismatch as error:
        yield str(error)
        return
    except Exception as error:
        raise ClusterError(f"{error_message(error)} (on {socket.gethostname()})") from None
    yield increments


def _make_pipeline(job: WorkerJob) -> DetectionPipeline:
    from ... import __version__

    if job.folder is not None:
        try:
            os.chdir(job.folder)
        except OSError as error:
            raise FileNotFoundError(
                f"relative names refer to the folder {job.folder}, which does not exist on this machine "
                f"({error.strerror}); use absolute names in folders that every machine has, "
                "or addresses in an object store"
            ) from error
    detector = pickle.loads(job.detector)
    description = job.settings.describe(detector, __version__)
    if description != job.description:
        differences = ", ".join(
            f"{name} is {description[name]!r}, expected {job.description.get(name)!r}"
            for name in description
            if description[name] != job.description.get(name)
        )
        raise ValueError(
            f"the mtcnn_cpp version differs on this machine: {differences}; install the same version on "
            "every machine"
        )
    keep_freed_memory()
    return DetectionPipeline(detector, job.settings)
