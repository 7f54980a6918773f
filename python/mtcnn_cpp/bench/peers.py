"""Other MTCNNs on the same picture with the same options, in one run: each in a process of its own, in turn.

A peer is looked for in this Python and in the others that the user names, because peers need versions that
exclude each other. One that is missing or fails stays in the results, with the reason.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory, TemporaryFile
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..reference.options import Options
from .peer_worker import PEERS

OURS = "mtcnn_cpp"
PAUSE = 0.2  # seconds in which a runtime's spinning threads go to sleep
PACKAGE = Path(__file__).resolve().parents[1]
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class PeerError(Exception):
    """Why a peer cannot be measured."""


class Worker:
    """A process that holds one detector; see `peer_worker`."""

    def __init__(self, name: str, threads: int, python: str) -> None:
        environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads))
        environment["PYTHONPATH"] = os.pathsep.join(
            [str(PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        )
        self._scratch = TemporaryDirectory(ignore_cleanup_errors=True)
        environment["TMPDIR"] = self._scratch.name
        environment["MTCNN_CPP_WEIGHTS"] = str(PACKAGE / "weights")
        self._errors = TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self._process = subprocess.Popen(
            [python, str(Path(__file__).with_name("peer_worker.py")), name, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment,
            encoding="utf-8",
        )

    def ask(self, **task: Any) -> dict[str, Any]:
        """The answer, or PeerError with what went wrong."""
        assert self._process.stdin
        assert self._process.stdout
        try:
            self._process.stdin.write(json.dumps(task) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self._errors.seek(0)
            last = self._errors.read().strip().splitlines()[-1:]
            raise PeerError(f"ended with code {self._process.wait()}: {' '.join(last)}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise PeerError(str(answer["error"]))
        return answer

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()
        self._scratch.cleanup()


def compare_peers(
    image: NDArray[np.uint8],
    *,
    threads: Sequence[int],
    runs: int,
    options: Options,
    pythons: Sequence[str] = (),
    names: Sequence[str] = tuple(PEERS),
) -> list[dict[str, Any]]:
    """A row for every peer and number of threads: `ms`, `cpu_ms`, `faces`, `ratio` (its time against ours),
    `load_s`, `peak_mb` (of the whole process), `versions`; or `error`."""
    rows = []
    with TemporaryDirectory() as folder:
        file = Path(folder) / "pixels.npy"
        np.save(file, image)
        for count in threads:
            rows += _compare(str(file), count, runs, options, pythons, names)
    return rows


def _compare(
    file: str, threads: int, runs: int, options: Options, pythons: Sequence[str], names: Sequence[str]
) -> list[dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {name: {"peer": name, "threads": threads} for name in names}
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in names}  # wall, all CPUs
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}

        def attempt(name: str, **task: Any) -> None:
            if name not in workers:
                return
            try:
                answer = workers[name].ask(**task)
            except PeerError as error:
                rows[name] = {"peer": name, "threads": threads, "error": str(error)}
                del workers[name]
            else:
                rows[name] |= {"faces": answer["faces"], "peak_mb": answer["peak_mb"]}
                seconds[name].append((answer["seconds"], answer["cpu_seconds"]))

        for name in names:
            try:
                workers[name], loaded = _load(name, threads, options, pythons, stack)
                rows[name] |= {"load_s": loaded["seconds"], "versions": loaded["versions"]}
                workers[name].ask(file=file)
            except PeerError as error:
                rows[name]["error"] = str(error)
            for _ in range(2):
                attempt(name, run=1)
        for times in seconds.values():
            times.clear()
        for _ in range(runs):
            for name in names:
                time.sleep(PAUSE)
                attempt(name, run=1)
    for name, row in rows.items():
        if "error" not in row:
            row["ms"], row["cpu_ms"] = (1e3 * median(times) for times in zip(*seconds[name], strict=True))
    ours = rows.get(OURS, {}).get("ms")
    for row in rows.values():
        if ours and "ms" in row:
            row["ratio"] = row["ms"] / ours
    return list(rows.values())


def _load(
    name: str, threads: int, options: Options, pythons: Sequence[str], stack: ExitStack
) -> tuple[Worker, dict[str, Any]]:
    """The peer's detector in the first Python that has it."""
    reasons = []
    for python in (sys.executable, *pythons):
        worker = stack.enter_context(Worker(name, threads, python))
        try:
            return worker, worker.ask(options=vars(options))
        except PeerError as error:
            reasons.append(str(error))
    raise PeerError("; ".join(dict.fromkeys(reasons)))
