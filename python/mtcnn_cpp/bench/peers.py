"""Run other face detectors (peers) on the same image with the same options, each in its own process.

Some peers need different versions of the same package. Therefore each peer is searched in the environment of
this Python, and then in those of the other interpreters that the user names. The runs of all peers are
interleaved. If a peer is missing or fails, the results contain its name and the reason.
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

from .._util.errors import MtcnnError
from ..reference.options import Options
from .peer_worker import PEERS

OWN_NAME = "mtcnn_cpp"
# Pause before each run. In this time, threads of other runtimes stop their active waiting and sleep.
PAUSE_SECONDS = 0.2
PACKAGE = Path(__file__).resolve().parents[1]
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class PeerError(MtcnnError):
    """A peer cannot be measured. The message states the reason."""


class PeerProcess:
    """A process that runs one detector (see `peer_worker`)."""

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

    def request(self, **task: Any) -> dict[str, Any]:
        """Send a task and return the answer. Raise PeerError if the task fails."""
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
            raise PeerError(
                f"the detector's process ended with code {self._process.wait()}: {' '.join(last)}"
            )
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise PeerError(str(answer["error"]))
        return answer

    def __enter__(self) -> PeerProcess:
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
    """Return one row for each peer and each number of threads.

    If the peer has run, its row has `ms`, `cpu_ms`, `faces`, `ratio` (time relative to mtcnn_cpp), `load_s`,
    `peak_mb` (memory of its process) and `versions`. Otherwise the row has `error`.
    """
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
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in names}  # elapsed time, CPU time
    with ExitStack() as stack:
        workers: dict[str, PeerProcess] = {}

        def attempt(name: str, **task: Any) -> None:
            if name not in workers:
                return
            try:
                answer = workers[name].request(**task)
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
                workers[name].request(file=file)
            except PeerError as error:
                rows[name]["error"] = str(error)
            for _ in range(2):
                attempt(name, run=1)
        for times in seconds.values():
            times.clear()
        for _ in range(runs):
            for name in names:
                time.sleep(PAUSE_SECONDS)
                attempt(name, run=1)
    for name, row in rows.items():
        if "error" not in row:
            row["ms"], row["cpu_ms"] = (1e3 * median(times) for times in zip(*seconds[name], strict=True))
    own_ms = rows.get(OWN_NAME, {}).get("ms")
    for row in rows.values():
        if own_ms and "ms" in row:
            row["ratio"] = row["ms"] / own_ms
    return list(rows.values())


def _load(
    name: str, threads: int, options: Options, pythons: Sequence[str], stack: ExitStack
) -> tuple[PeerProcess, dict[str, Any]]:
    """Create the detector of a peer with the first Python interpreter in which this succeeds."""
    reasons = []
    for python in (sys.executable, *pythons):
        worker = stack.enter_context(PeerProcess(name, threads, python))
        try:
            return worker, worker.request(options=vars(options))
        except PeerError as error:
            reasons.append(str(error))
    raise PeerError("; ".join(dict.fromkeys(reasons)))
