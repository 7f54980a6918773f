"""The values of one trace for many threads: one reads at a time, and what was read last is kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

from numpy.typing import NDArray

from ..trace.errors import TraceError
from ..trace.file.trace import PICTURE, Trace

KEEP = 64 << 20  # bytes of values of one trace that are kept for the next request
READ_LIMIT = 2 << 30  # bytes of a tensor that is read at all


class Guarded:
    """Values by name, as `Trace` takes them. The file's handle is used by one thread at a time."""

    def __init__(self, trace: Trace, lock: threading.Lock, keep: int) -> None:
        self._trace = trace
        self._lock = lock
        self._keep = keep
        self._kept: OrderedDict[str, NDArray[Any]] = OrderedDict()
        self._bytes = 0

    def __getitem__(self, name: str) -> NDArray[Any]:
        with self._lock:
            if name in self._kept:
                self._kept.move_to_end(name)
                return self._kept[name]
            array = self._read(name)
            if array.nbytes <= self._keep:
                self._kept[name] = array
                self._bytes += array.nbytes
                while self._bytes > self._keep:
                    self._bytes -= self._kept.popitem(last=False)[1].nbytes
            return array

    def _read(self, name: str) -> NDArray[Any]:
        if name == PICTURE:
            return self._trace.picture
        size = self._trace.entry(name).nbytes
        if size > READ_LIMIT:
            raise TraceError(
                f"{name} is too large to show: {size} bytes of values, at most {READ_LIMIT} are read"
            )
        return self._trace[name]


def guarded(trace: Trace) -> tuple[Trace, Trace]:
    """The trace for many threads, twice: with the values that were read last kept, and with none kept (for
    who goes through all of them)."""
    lock = threading.Lock()
    kept, passing = (Trace(trace.manifest, Guarded(trace, lock, keep), trace.source) for keep in (KEEP, 0))
    return kept, passing
