"""The process that runs graphs of files: `guarded` starts it, sends graphs and inputs, and ends it.

It ends by itself when its parent is gone, when it takes more memory than its limit, and some seconds after
the time limit of a request, if nobody has ended it by then.
"""

from __future__ import annotations

import contextlib
import os
import queue
import re
import signal
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

from .messages import Array, read_message, write_message
from .sessions import Sessions, reason

OUT_OF_MEMORY = 71  # exit status
GRACE = 5.0  # seconds after a time limit
LOOK_EVERY = 0.1  # seconds
LARGEST_REQUEST = 1 << 40  # bytes; requests come from our own process


def main() -> None:
    """Answer requests until there are no more. Arguments: the parent's process number, the limit of memory
    in bytes (0: none), the runtime."""
    parent, memory, runtime = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends this process
    requests, replies = take_over_streams()
    try:
        __import__(runtime)
    except ImportError:
        runtime = ""
    if memory:
        limit_memory(memory)
    threading.Thread(target=watch, args=(parent, memory and resident() + memory), daemon=True).start()
    received: queue.SimpleQueue[tuple[dict[str, Any], dict[str, Array]]] = queue.SimpleQueue()
    threading.Thread(target=receive, args=(requests, received), daemon=True).start()
    write_message(replies, {"runtime": runtime}, {})
    graphs: dict[int, Sessions] = {}
    while True:
        fields, arrays = received.get()
        with alarm(fields["seconds"]):
            try:
                found = answer(graphs, runtime, fields, arrays)
                write_message(replies, {}, found)
            except Exception as error:  # the runtimes' classes have no common base
                told = reason(error)
                short = isinstance(error, MemoryError) or "alloc" in told.lower()
                write_message(replies, {"error": told, "memory": short}, {})


def answer(
    graphs: dict[int, Sessions], runtime: str, fields: dict[str, Any], arrays: dict[str, Array]
) -> dict[str, Array]:
    """Load a graph, or run one; the outputs of a run."""
    for number in fields["unwanted"]:
        graphs.pop(number, None)
    number = fields["graph"]
    if fields["do"] == "load":
        data = arrays["model"].tobytes()
        graphs[number] = Sessions(data, runtime=runtime, **fields["settings"])
        if not fields["in_parts"]:
            graphs[number].whole()
        return {}
    return graphs[number].run(arrays, fields["outputs"], part=fields["part"])


def take_over_streams() -> tuple[IO[bytes], IO[bytes]]:
    """Requests and replies, on descriptors that no library prints to."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    return requests, replies


def receive(
    requests: IO[bytes], received: queue.SimpleQueue[tuple[dict[str, Any], dict[str, Array]]]
) -> None:
    """Pass requests on; end the process at their end, whatever it is doing."""
    try:
        while True:
            received.put(read_message(requests, LARGEST_REQUEST))
    except BaseException:
        os._exit(1)


def watch(parent: int, most: int) -> None:
    """End the process when its parent is gone, or when it has more than `most` bytes (0: no limit)."""
    while True:
        time.sleep(LOOK_EVERY)
        if os.name == "posix" and os.getppid() != parent:
            os._exit(1)
        if most and resident() > most:
            os._exit(OUT_OF_MEMORY)


@contextlib.contextmanager
def alarm(seconds: float) -> Any:
    """End the process when the block takes that long and more; the parent should have done so before. The
    system does it, so no library can prevent it."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, min(seconds + GRACE, 1e6))
    yield
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0)


def limit_memory(more: int) -> None:
    """Let the process allocate `more` bytes beyond what it has, where the system offers such a limit (Linux);
    `watch` looks at it elsewhere. A crash leaves no core file."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        held = linux_status("VmData")
        if held:
            resource.setrlimit(resource.RLIMIT_DATA, (held + more, held + more))


def linux_status(field: str) -> int:
    """Bytes that Linux counts for this process under that name; 0 on other systems."""
    with contextlib.suppress(OSError, ValueError):
        found = re.search(
            rf"^{field}:\s+(\d+) kB", Path("/proc/self/status").read_text("ascii"), re.MULTILINE
        )
        return int(found[1]) * 1024 if found else 0
    return 0


def resident() -> int:
    """Bytes of memory that the process has, or had at most; 0 if unknown."""
    if sys.platform == "linux":
        return linux_status("VmRSS")
    if sys.platform == "win32":
        return windows_resident()
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


def windows_resident() -> int:
    import ctypes
    from ctypes import wintypes

    class Counters(ctypes.Structure):
        _fields_ = [
            ("size", wintypes.DWORD),
            ("page_faults", wintypes.DWORD),
            *((name, ctypes.c_size_t) for name in ("peak", "resident", "a", "b", "c", "d", "e", "f")),
        ]

    counters = Counters()
    counters.size = ctypes.sizeof(counters)
    library = ctypes.WinDLL("kernel32")  # type: ignore[attr-defined,unused-ignore]
    library.GetCurrentProcess.restype = wintypes.HANDLE
    library.K32GetProcessMemoryInfo.argtypes = [wintypes.HANDLE, ctypes.c_void_p, wintypes.DWORD]
    done = library.K32GetProcessMemoryInfo(library.GetCurrentProcess(), ctypes.byref(counters), counters.size)
    return int(counters.resident) if done else 0
