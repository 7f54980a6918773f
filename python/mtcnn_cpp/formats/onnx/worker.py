"""The process that runs untrusted graphs, and the messages between this process and its parent.

The module `process` starts this process, sends graphs and inputs to it, and ends it. This process also ends
itself when its parent ends, or when it exceeds its memory limit. Except on Windows, it also ends itself a few
seconds after the time limit of a request. A message is a JSON header followed by the values of its arrays.
Both processes check sizes before they allocate memory. They do not use pickle.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import signal
import struct
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from ..arrays import count_bytes, parse_dtype
from ..errors import PortError
from .sessions import Sessions, first_line

LENGTH = struct.Struct("<Q")
LONGEST_HEADER = 16 << 20  # maximum size in bytes; a header contains names of tensors from a file
Array = npt.NDArray[Any]


def write_message(stream: IO[bytes], fields: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Write one message. Raises PortError if the values of an array are not numbers."""
    held = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    for name, array in held.items():
        if array.dtype.kind not in "fiub":
            raise PortError(f"tensor {name!r}: expected an array of numbers, found {array.dtype}")
    listed = [[name, array.dtype.str, array.shape] for name, array in held.items()]
    header = json.dumps({**fields, "arrays": listed}).encode()
    stream.write(LENGTH.pack(len(header)) + header)
    for array in held.values():
        stream.write(array.reshape(-1).view(np.uint8).data)
    stream.flush()


def read_message(stream: IO[bytes], limit: int) -> tuple[dict[str, Any], dict[str, Array]]:
    """Read one message.

    Raises EOFError at the end of the stream. Raises PortError if the message is invalid, or if its arrays
    have more than `limit` bytes in total.
    """
    (length,) = LENGTH.unpack(bytes(read_exactly(stream, LENGTH.size)))
    if length > LONGEST_HEADER:
        raise PortError(f"expected a header of at most {LONGEST_HEADER} bytes, found {length}")
    try:
        fields = json.loads(bytes(read_exactly(stream, length)))
        listed = [(str(name), parse_dtype(word), tuple(shape)) for name, word, shape in fields.pop("arrays")]
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise PortError("expected a header in JSON") from error
    sizes = [count_bytes(shape, dtype) for _, dtype, shape in listed]
    if sum(sizes) > limit:
        raise PortError(f"expected at most {limit} bytes of values, found {sum(sizes)}")
    arrays = {
        name: read_exactly(stream, size).view(dtype).reshape(shape)
        for (name, dtype, shape), size in zip(listed, sizes, strict=True)
    }
    return fields, arrays


def read_exactly(stream: IO[bytes], size: int) -> npt.NDArray[np.uint8]:
    """Return the next `size` bytes. Raises EOFError if the stream ends earlier."""
    values = np.empty(size, np.uint8)
    done = 0
    while done < size:
        count = stream.readinto(values[done:].data)  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        done += count
    return values


OUT_OF_MEMORY = 71  # exit status of the process if it exceeds its memory limit
GRACE = 5.0  # seconds between the time limit of a request and the time at which this process ends itself
POLL_SECONDS = 0.1  # time between two checks of the parent and the memory
LARGEST_REQUEST = 1 << 40  # in bytes; a smaller limit is not necessary, because the parent is trusted


def main() -> None:
    """Answer requests until the parent closes the stream.

    The command line arguments are the process ID of the parent, the memory limit in bytes (0: no limit), and
    the runtime.
    """
    parent, memory, runtime = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent receives Ctrl-C and ends this process
    requests, replies = take_over_streams()
    try:
        __import__(runtime)
    except ImportError:
        runtime = ""
    if memory:
        limit_memory(memory)
    threading.Thread(
        target=monitor_process, args=(parent, memory and resident_bytes() + memory), daemon=True
    ).start()
    received: queue.SimpleQueue[tuple[dict[str, Any], dict[str, Array]]] = queue.SimpleQueue()
    threading.Thread(target=receive, args=(requests, received), daemon=True).start()
    write_message(replies, {"runtime": runtime}, {})
    graphs: dict[int, Sessions] = {}
    while True:
        fields, arrays = received.get()
        with time_limit(fields["seconds"]):
            try:
                found = answer(graphs, runtime, fields, arrays)
                write_message(replies, {}, found)
            except Exception as error:  # the exceptions of the runtimes have no common base class
                message = first_line(error)
                is_memory = isinstance(error, MemoryError) or "alloc" in message.lower()
                write_message(replies, {"error": message, "memory": is_memory}, {})


def answer(
    graphs: dict[int, Sessions], runtime: str, fields: dict[str, Any], arrays: dict[str, Array]
) -> dict[str, Array]:
    """Load a graph, or run a graph and return its outputs."""
    for number in fields["unwanted"]:
        graphs.pop(number, None)
    number = fields["graph"]
    if fields["do"] == "load":
        data = arrays["model"].tobytes()
        graphs[number] = Sessions(data, runtime=runtime, **fields["settings"])
        if not fields["in_parts"]:
            graphs[number].full_session()
        return {}
    return graphs[number].run(arrays, fields["outputs"], part=fields["part"])


def take_over_streams() -> tuple[IO[bytes], IO[bytes]]:
    """Return the streams for requests and replies. Output that libraries print is not written to them."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    return requests, replies


def receive(
    requests: IO[bytes], received: queue.SimpleQueue[tuple[dict[str, Any], dict[str, Array]]]
) -> None:
    """Put requests into a queue. End this process at once when the stream ends."""
    try:
        while True:
            received.put(read_message(requests, LARGEST_REQUEST))
    except BaseException:
        os._exit(1)


def monitor_process(parent: int, limit: int) -> None:
    """End this process when its parent has ended, or when this process uses more than `limit` bytes.

    If `limit` is 0, there is no limit.
    """
    while True:
        time.sleep(POLL_SECONDS)
        if os.name == "posix" and os.getppid() != parent:
            os._exit(1)
        if limit and resident_bytes() > limit:
            os._exit(OUT_OF_MEMORY)


@contextlib.contextmanager
def time_limit(seconds: float) -> Any:
    """End this process if the block takes longer than `seconds` + GRACE. On Windows, do nothing.

    The signal SIGALRM ends the process, even while a library runs its own code.
    """
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, min(seconds + GRACE, 1e6))
    yield
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0)


def limit_memory(more: int) -> None:
    """Limit this process to `more` additional bytes of memory. Disable core files.

    This function sets the memory limit only on Linux. On other systems, only `monitor_process` enforces it.
    """
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        held = linux_status("VmData")
        if held:
            resource.setrlimit(resource.RLIMIT_DATA, (held + more, held + more))


def linux_status(field: str) -> int:
    """Return the value of a field of /proc/self/status in bytes. On systems other than Linux, return 0."""
    with contextlib.suppress(OSError, ValueError):
        found = re.search(
            rf"^{field}:\s+(\d+) kB", Path("/proc/self/status").read_text("ascii"), re.MULTILINE
        )
        return int(found[1]) * 1024 if found else 0
    return 0


def resident_bytes() -> int:
    """Return the resident memory of this process in bytes, or 0 if it is unknown.

    On macOS, it is the maximum resident memory since the start of the process.
    """
    if sys.platform == "linux":
        return linux_status("VmRSS")
    if sys.platform == "win32":
        return windows_resident_bytes()
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # on macOS, this number is in bytes


def windows_resident_bytes() -> int:
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
