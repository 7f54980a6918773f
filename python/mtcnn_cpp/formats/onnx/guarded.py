"""The one way to run a graph from a file: in a process of its own, with limits of time and memory.

A graph can run for ever, take all memory or crash its runtime; then the process ends, not the caller.
"""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from multiprocessing.spawn import get_executable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import MissingExtra, shown
from .file import outside_tensors
from .messages import Array, read_message, write_message
from .sessions import INSTALL
from .worker import OUT_OF_MEMORY

if TYPE_CHECKING:
    import onnx

# The parent's search path is the child's, before anything is imported: `-m` would look in the current
# folder first, which can be a stranger's.
START = (
    "import sys; n = sys.argv.index('--'); sys.path[:] = sys.argv[n + 1:]; del sys.argv[n:]; "
    "from mtcnn_cpp.formats.onnx.worker import main; main()"
)
START_SECONDS = 120.0  # for Python and the runtime, before any graph is there
LOOK_EVERY = 0.1  # seconds between looks at the clock; signals are heard in between
RUNTIMES = ("onnxruntime", "onnx")  # onnx has an evaluator
UNLIMITED = 1 << 40  # bytes of a reply, where memory has no limit
KILLED = 9  # SIGKILL: we, or the system
NUMBERS = itertools.count()  # of graphs
HOW_SECONDS = "raise it with --graph-seconds, or graph_limits(seconds=…)"
HOW_MEMORY = "raise it with --graph-memory, or graph_limits(memory=…)"


class NotRun(Exception):
    """Why a graph could not be run, in words."""

    def __init__(self, message: str) -> None:
        super().__init__(shown(message))


@dataclass(frozen=True)
class GraphLimits:
    """Limits of graphs that are run.

    Args:
        seconds: Longest time that loading a graph, or one run of it, may take. Default: 60.
        memory: Most bytes that the process of the graph may take, beyond what an empty runtime takes.
            Default: 2 GiB.
    """

    seconds: float = 60.0
    memory: int = 2 << 30

    def __post_init__(self) -> None:
        if not 0 < self.seconds < float("inf"):
            raise ValueError(f"graph limits: expected seconds above 0, got {self.seconds!r}")
        if not 0 < self.memory < 1 << 62:
            raise ValueError(f"graph limits: expected a memory limit above 0 bytes, got {self.memory!r}")


@dataclass(eq=False)
class _Scope:
    """Limits, and the processes that graphs of one `graph_limits` block share, by runtime and limit."""

    limits: GraphLimits = GraphLimits()
    share: bool = False
    workers: dict[tuple[str, int], Worker] = field(default_factory=dict)


_scope: ContextVar[_Scope | None] = ContextVar("graph_limits", default=None)


@contextlib.contextmanager
def graph_limits(*, seconds: float | None = None, memory: int | None = None) -> Iterator[None]:
    """Set the limits of graphs that are run in this block; its graphs share one process, which ends with it.

    Args:
        seconds: As `GraphLimits`; None: as outside the block.
        memory: As `GraphLimits`; None: as outside the block.

    Raises:
        ValueError: For limits that are none.
    """
    outer = _scope.get() or _Scope()
    given = {name: value for name, value in (("seconds", seconds), ("memory", memory)) if value is not None}
    if outer.share and not given:
        yield
        return
    scope = _Scope(replace(outer.limits, **given), share=True)  # type: ignore[arg-type]
    token = _scope.set(scope)
    try:
        yield
    finally:
        _scope.reset(token)
        for worker in scope.workers.values():
            worker.close()


class GuardedGraph:
    """A graph that runs in a process of its own, with the limits that hold where it is made.

    Args:
        model: The graph, with its weights.
        runtime: "onnxruntime", "onnx" (its evaluator), or "": the first of these that is installed.
        optimise: Let ONNX Runtime fuse and rearrange nodes.
        threads: Threads of ONNX Runtime. 0: its own choice.
        providers: Execution providers of ONNX Runtime, best first. The limit of memory is for the CPU's
            alone.
        in_parts: Only parts of it will run, so that the whole need not be loaded.

    Raises:
        NotRun: If the runtime refuses the graph, or it exceeds a limit.
        MissingExtra: If the runtime is not installed.
    """

    def __init__(
        self,
        model: onnx.ModelProto,
        *,
        runtime: str = "",
        optimise: bool = False,
        threads: int = 1,
        providers: Sequence[str] = ("CPUExecutionProvider",),
        in_parts: bool = False,
    ) -> None:
        outside = next(outside_tensors(model), None)
        if outside is not None:
            raise NotRun(f"tensor {outside.name!r} keeps its values in another file, which was not read")
        self._data = np.frombuffer(model.SerializeToString(), np.uint8)
        self._runtime = installed_runtime([runtime] if runtime else RUNTIMES)
        self._scope = _scope.get() or _Scope()
        self._limits = self._scope.limits
        self._memory = self._limits.memory if list(providers) == ["CPUExecutionProvider"] else 0
        self._settings = {"optimise": optimise, "threads": threads, "providers": list(providers)}
        self._in_parts = in_parts
        self._worker: Worker | None = None
        self._number = 0
        self._load()

    def run(
        self, inputs: Mapping[str, Array], outputs: Sequence[str], *, part: bool = False
    ) -> dict[str, Array]:
        """Run it. `part`: only the nodes between these inputs and outputs.

        Returns:
            The outputs by name, in the order requested.

        Raises:
            NotRun: If the runtime reports an error, or the run exceeds a limit.
        """
        given = {name: np.asarray(values) for name, values in inputs.items()}
        for name, values in given.items():
            if values.dtype.kind not in "fiub":
                raise NotRun(f"input {name!r}: expected an array of numbers, found {values.dtype}")
        worker = self._load()
        fields = {"do": "run", "graph": self._number, "outputs": list(outputs), "part": part}
        found = worker.request(fields, given, self._limits)
        if list(found) != list(outputs):
            raise NotRun("the process that runs graphs gave other outputs than were requested")
        return found

    def _load(self) -> Worker:
        """The process that has the graph; a new one if the last has ended."""
        worker = self._worker
        if worker is None or not worker.usable:
            worker, number = self._take_worker(), next(NUMBERS)
            fields = {"do": "load", "graph": number, "in_parts": self._in_parts, "settings": self._settings}
            worker.request(fields, {"model": self._data}, self._limits)
            self._worker, self._number = worker, number
            weakref.finalize(self, worker.unwanted.append, number)
        return worker

    def _take_worker(self) -> Worker:
        key = self._runtime, self._memory
        if not self._scope.share:
            return Worker(*key)
        worker = self._scope.workers.get(key)
        if worker is None or not worker.usable:
            worker = self._scope.workers[key] = Worker(*key)
        return worker


class Worker:
    """The process that runs graphs. It ends with this object, or after anything that went wrong in it but a
    runtime's own error.

    Args:
        runtime: The runtime's package.
        memory: The most bytes that it may take, beyond what it takes at its start. 0: no limit.
    """

    def __init__(self, runtime: str, memory: int) -> None:
        self.unwanted: list[int] = []  # numbers of graphs that nobody has any more
        self._memory = memory
        self._owner = os.getpid()
        self._lock = threading.Lock()
        paths = [path for path in sys.path if isinstance(path, str)]
        arguments = [str(os.getpid()), str(memory), runtime, "--", *paths]
        try:
            self._process = subprocess.Popen(
                [os.fsdecode(get_executable()), "-c", START, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except (OSError, RuntimeError, TypeError, ValueError) as error:
            raise NotRun(f"the process that runs graphs could not be started ({error})") from error
        self.close = weakref.finalize(self, end, self._process, os.getpid())
        about, _ = self._exchange(None, {}, START_SECONDS, "starting it")
        if not about.get("runtime"):
            self.close()
            raise MissingExtra(
                f"running ONNX needs the package {runtime!r}, which does not import; pip install {INSTALL}",
                name=runtime,
            )

    @property
    def usable(self) -> bool:
        """Whether it is there, and this process's own (not that of the parent of a fork)."""
        return self.close.alive and self._owner == os.getpid() and self._process.poll() is None

    def request(
        self, fields: Mapping[str, Any], arrays: Mapping[str, Array], limits: GraphLimits
    ) -> dict[str, Array]:
        """The arrays of the reply. NotRun if there is none within the limits."""
        with self._lock:
            dropped, self.unwanted[:] = list(self.unwanted), []
            whole = {**fields, "seconds": limits.seconds, "unwanted": dropped}
            what = "loading it" if fields["do"] == "load" else "running it"
            about, found = self._exchange(whole, arrays, limits.seconds, what)
        if "error" in about:
            told = str(about["error"])
            raise NotRun(self._memory_message(told) if about.get("memory") else told)
        return found

    def _exchange(
        self, fields: Mapping[str, Any] | None, arrays: Mapping[str, Array], seconds: float, what: str
    ) -> tuple[dict[str, Any], dict[str, Array]]:
        """Send a request (None: nothing) and wait for the reply. Whatever ends the wait ends the process."""
        replies: queue.SimpleQueue[Any] = queue.SimpleQueue()
        talk = (self._process, fields, arrays, self._memory or UNLIMITED, replies)
        threading.Thread(target=converse, args=talk, daemon=True).start()
        try:
            reply = wait(replies, seconds)
        except BaseException:
            self.close()
            raise
        if isinstance(reply, tuple):
            return reply
        self.close()
        if reply is None:
            raise NotRun(f"{what} took longer than the limit of {seconds:g} s; {HOW_SECONDS}")
        raise NotRun(self._end_message(reply))

    def _end_message(self, error: Exception) -> str:
        """Why the process ended, or gave no proper reply."""
        status = self._process.returncode
        if status == OUT_OF_MEMORY:
            return self._memory_message("it was ended")
        if status is not None and status < 0 and -status != KILLED:
            return f"it crashed the runtime ({status_name(status)})"
        if isinstance(error, (EOFError, OSError)):
            return f"the process that runs graphs ended ({status_name(status)})"
        return f"the process that runs graphs gave no proper reply ({error})"

    def _memory_message(self, told: str) -> str:
        limit = f"{self._memory / (1 << 30):g} GiB" if self._memory else "this machine"
        return f"it asks for more memory than the limit of {limit} allows ({told}); {HOW_MEMORY}"


def status_name(status: int | None) -> str:
    """A process's exit status, or the name of the signal that ended it."""
    if status is not None and status < 0:
        return signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
    return f"exit status {status}"


def converse(
    process: subprocess.Popen[bytes],
    fields: Mapping[str, Any] | None,
    arrays: Mapping[str, Array],
    limit: int,
    replies: queue.SimpleQueue[Any],
) -> None:
    """Put the reply to a request into a queue, or the exception of the attempt."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        if fields is not None:
            write_message(process.stdin, fields, arrays)
        replies.put(read_message(process.stdout, limit))
    except Exception as error:
        if isinstance(error, (EOFError, OSError)):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)  # it is about to end; its status says why
        replies.put(error)


def wait(replies: queue.SimpleQueue[Any], seconds: float) -> Any:
    """The first of the queue; None if there is none in time. Signals are handled while it waits."""
    until = time.monotonic() + seconds
    while True:
        left = until - time.monotonic()
        with contextlib.suppress(queue.Empty):
            return replies.get(timeout=max(min(left, LOOK_EVERY), 0))
        if left <= 0:
            return None


def end(process: subprocess.Popen[bytes], owner: int) -> None:
    """End a process that this one has started, and wait for it."""
    if owner != os.getpid():
        return
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        assert stream is not None
        with contextlib.suppress(OSError, ValueError):
            stream.close()


def installed_runtime(names: Sequence[str]) -> str:
    """The first of these packages that is installed. MissingExtra if none is."""
    for name in names:
        if importlib.util.find_spec(name) is not None:
            return name
    raise MissingExtra(
        f"running ONNX needs the package {names[0]!r}, which is not installed; pip install {INSTALL}",
        name=names[0],
    )
