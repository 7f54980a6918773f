"""Run a graph from a file in a separate process with limits on time and memory.

A graph can run forever, use all memory or crash its runtime. In these cases only the separate process ends,
and the calling process continues.
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

from ..._util.errors import MtcnnError, missing_extra
from ..._util.log import log_info
from ..errors import safe_text
from .graph import external_tensors
from .sessions import INSTALL
from .worker import OUT_OF_MEMORY, Array, read_message, write_message

if TYPE_CHECKING:
    import onnx
# The new process gets the module search path of its parent before it imports anything. With `-m`, Python
# would first search the current folder, which can be untrusted.
START = (
    "import sys; n = sys.argv.index('--'); sys.path[:] = sys.argv[n + 1:]; del sys.argv[n:]; "
    "from mtcnn_cpp.formats.onnx.worker import main; main()"
)
START_SECONDS = 120.0  # time limit for the start of Python and the runtime
POLL_SECONDS = 0.1  # time between two checks of the time limit; signals are handled at each check
RUNTIMES = ("onnxruntime", "onnx")  # the package onnx contains a reference evaluator
UNLIMITED = 1 << 40  # maximum size of a reply in bytes, if there is no memory limit
KILLED = 9  # SIGKILL, which this process or the system has sent
NUMBERS = itertools.count()  # numbers that identify graphs
HOW_SECONDS = "raise the limit with --graph-seconds, or graph_limits(seconds=…)"
HOW_MEMORY = "raise the limit with --graph-memory, or graph_limits(memory=…)"


class GraphRunError(MtcnnError):
    """A graph could not be run. The message states the cause."""

    def __init__(self, message: str) -> None:
        super().__init__(safe_text(message))


@dataclass(frozen=True)
class GraphLimits:
    """Limits of a graph that runs in a separate process.

    Args:
        seconds: Maximum time in seconds to load a graph, or to run it once. Default: 60.
        memory: Maximum memory in bytes that the process may use in addition to an empty runtime. Default:
            2 GiB.
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
    """The limits of a `graph_limits` block, and its processes.

    There is one process for each runtime and memory limit.
    """

    limits: GraphLimits = GraphLimits()
    share: bool = False
    workers: dict[tuple[str, int], Worker] = field(default_factory=dict)


_scope: ContextVar[_Scope | None] = ContextVar("graph_limits", default=None)


@contextlib.contextmanager
def graph_limits(*, seconds: float | None = None, memory: int | None = None) -> Iterator[None]:
    """Limit the time and memory of the graphs that run in this block.

    Graphs with the same runtime and memory limit share one process. The processes end at the end of the
    block.

    Args:
        seconds: Maximum time in seconds to load a graph, or to run it once. None: the limit of the enclosing
            block, or 60 if there is no enclosing block.
        memory: Maximum memory in bytes that a process may use in addition to an empty runtime. None: the
            limit of the enclosing block, or 2 GiB if there is no enclosing block.

    Raises:
        ValueError: If a limit is not above 0.

    Example:
        >>> with graph_limits(seconds=10):
        ...     model = import_model("port.onnx")
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
    """A graph that runs in a separate process.

    The limits are those of the `graph_limits` block in which the graph is created.

    Args:
        model: The graph, with its weights.
        runtime: "onnxruntime", or "onnx" for the reference evaluator of onnx. "" means the first of these
            packages that is installed.
        optimise: Whether ONNX Runtime may fuse and rearrange nodes.
        threads: Number of threads of ONNX Runtime. 0: ONNX Runtime chooses the number.
        providers: Execution providers of ONNX Runtime, in order of preference. The memory limit applies only
            if CPUExecutionProvider is the only provider.
        in_parts: Whether only parts of the graph will be run (see `part` of `run`). In this case, the runtime
            does not load the complete graph in advance.

    Raises:
        GraphRunError: If the runtime refuses the graph, or if the graph exceeds a limit.
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
        external = next(external_tensors(model), None)
        if external is not None:
            raise GraphRunError(
                f"tensor {external.name!r} has its values in another file; load the model with its external "
                "data"
            )
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
        """Run the graph.

        Args:
            inputs: The input arrays, by name of the tensor.
            outputs: Names of the requested tensors.
            part: Whether to run only the nodes between these inputs and outputs.

        Returns:
            The outputs by name, in the requested order.

        Raises:
            GraphRunError: If the runtime reports an error, or the run exceeds a limit.
        """
        given = {name: np.asarray(values) for name, values in inputs.items()}
        for name, values in given.items():
            if values.dtype.kind not in "fiub":
                raise GraphRunError(f"input {name!r}: expected an array of numbers, found {values.dtype}")
        worker = self._load()
        fields = {"do": "run", "graph": self._number, "outputs": list(outputs), "part": part}
        found = worker.request(fields, given, self._limits)
        if list(found) != list(outputs):
            raise GraphRunError("the process that runs graphs returned other outputs than the requested ones")
        return found

    def _load(self) -> Worker:
        """Return the process that has loaded the graph. If it has ended, start a new process."""
        worker = self._worker
        if worker is None or not worker.usable:
            worker, number = self._get_worker(), next(NUMBERS)
            fields = {"do": "load", "graph": number, "in_parts": self._in_parts, "settings": self._settings}
            worker.request(fields, {"model": self._data}, self._limits)
            self._worker, self._number = worker, number
            weakref.finalize(self, worker.unwanted.append, number)
        return worker

    def _get_worker(self) -> Worker:
        key = self._runtime, self._memory
        if not self._scope.share:
            return Worker(*key)
        worker = self._scope.workers.get(key)
        if worker is None or not worker.usable:
            worker = self._scope.workers[key] = Worker(*key)
        return worker


class Worker:
    """The process that runs graphs.

    The process ends when this object is deleted. It also ends after any failure, except an error that the
    runtime reports.

    Args:
        runtime: Package of the runtime.
        memory: Maximum memory in bytes that the process may use in addition to the memory that it uses after
            its start. 0: no limit.
    """

    def __init__(self, runtime: str, memory: int) -> None:
        self.unwanted: list[int] = []  # numbers of deleted graphs
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
            raise GraphRunError(f"the process that runs graphs could not be started ({error})") from error
        self.close = weakref.finalize(self, end_process, self._process, os.getpid())
        header, _ = self._exchange(None, {}, START_SECONDS, "starting the process")
        if not header.get("runtime"):
            self.close()
            raise missing_extra(runtime, INSTALL, "running ONNX", " (or cannot be imported)")
        log_info("process %d was started; it runs ONNX graphs in %s", self._process.pid, runtime)

    @property
    def usable(self) -> bool:
        """Whether the process still runs, and the current process is its parent.

        After a fork of the parent, the property is False in the new process.
        """
        return self.close.alive and self._owner == os.getpid() and self._process.poll() is None

    def request(
        self, fields: Mapping[str, Any], arrays: Mapping[str, Array], limits: GraphLimits
    ) -> dict[str, Array]:
        """Send a request and return the arrays of the reply. Raises the errors of `GuardedGraph.run`."""
        with self._lock:
            dropped, self.unwanted[:] = list(self.unwanted), []
            request = {**fields, "seconds": limits.seconds, "unwanted": dropped}
            activity = "loading the graph" if fields["do"] == "load" else "running the graph"
            header, found = self._exchange(request, arrays, limits.seconds, activity)
        if "error" in header:
            message = str(header["error"])
            raise GraphRunError(self._memory_message(message) if header.get("memory") else message)
        return found

    def _exchange(
        self, fields: Mapping[str, Any] | None, arrays: Mapping[str, Array], seconds: float, activity: str
    ) -> tuple[dict[str, Any], dict[str, Array]]:
        """Send a request and wait for the reply. If there is no valid reply, end the process.

        If `fields` is None, only wait for the first message of the process.
        """
        replies: queue.SimpleQueue[Any] = queue.SimpleQueue()
        arguments = (self._process, fields, arrays, self._memory or UNLIMITED, replies)
        threading.Thread(target=exchange_messages, args=arguments, daemon=True).start()
        try:
            reply = wait_for_reply(replies, seconds)
        except BaseException:
            self.close()
            raise
        if isinstance(reply, tuple):
            return reply
        self.close()
        if reply is None:
            raise GraphRunError(f"{activity} took longer than the limit of {seconds:g} s; {HOW_SECONDS}")
        raise GraphRunError(self._end_message(reply))

    def _end_message(self, error: Exception) -> str:
        """Return a message that states why the process ended or sent no valid reply."""
        status = self._process.returncode
        if status == OUT_OF_MEMORY:
            return self._memory_message("its process was ended")
        if status is not None and status < 0 and -status != KILLED:
            return f"the graph crashed the runtime ({status_name(status)})"
        if isinstance(error, (EOFError, OSError)):
            return f"the process that runs graphs ended ({status_name(status)})"
        return f"the process that runs graphs sent no valid reply ({error})"

    def _memory_message(self, message: str) -> str:
        limit = f"{self._memory / (1 << 30):g} GiB" if self._memory else "this machine"
        return f"the graph needs more memory than the limit of {limit} allows ({message}); {HOW_MEMORY}"


def status_name(status: int | None) -> str:
    """Return the exit status of a process, or the name of the signal that ended it."""
    if status is not None and status < 0:
        return signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
    return f"exit status {status}"


def exchange_messages(
    process: subprocess.Popen[bytes],
    fields: Mapping[str, Any] | None,
    arrays: Mapping[str, Array],
    limit: int,
    replies: queue.SimpleQueue[Any],
) -> None:
    """Send a request, and put the reply into a queue. If there is no reply, put the exception into it."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        if fields is not None:
            write_message(process.stdin, fields, arrays)
        replies.put(read_message(process.stdout, limit))
    except Exception as error:
        if isinstance(error, (EOFError, OSError)):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)  # wait until the process ends, because its exit status shows the cause
        replies.put(error)


def wait_for_reply(replies: queue.SimpleQueue[Any], seconds: float) -> Any:
    """Return the first reply, or None after `seconds`. Signals are handled while the function waits."""
    until = time.monotonic() + seconds
    while True:
        remaining = until - time.monotonic()
        with contextlib.suppress(queue.Empty):
            return replies.get(timeout=max(min(remaining, POLL_SECONDS), 0))
        if remaining <= 0:
            return None


def end_process(process: subprocess.Popen[bytes], owner: int) -> None:
    """End a process that the current process has started, and wait until it has ended."""
    if owner != os.getpid():
        return
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        assert stream is not None
        with contextlib.suppress(OSError, ValueError):
            stream.close()


def installed_runtime(names: Sequence[str]) -> str:
    """Return the first of these packages that is installed. Raises MissingExtra if none is installed."""
    for name in names:
        if importlib.util.find_spec(name) is not None:
            return name
    raise missing_extra(names[0], INSTALL, "running ONNX")
